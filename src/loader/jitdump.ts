/** Writes perf's jitdump: which function is where in memory, and its code, for `perf inject --jit`. */

import { mkdirSync, mkdtempSync, openSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { koffi } from '../koffi.ts';
import type { CodeFunction } from './loader.ts';

const MAGIC = 0x4a695444;
const VERSION = 1;
const HEADER_BYTES = 40;
const CODE_LOAD = 0;
const CODE_LOAD_BYTES = 56;
const EM_BY_ARCH: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };
const [PROT_READ, PROT_EXEC, MAP_PRIVATE] = [1, 4, 2];
const PAGE = 4096;

/** Of this thread, which `perf inject` takes for a process's: the identity of each is its own. */
interface Dump {
  readonly file: number;
  records: number;
}

let dump: Dump | undefined;

/** perf finds the file because it was mapped executable while it recorded, and knows it by its name. */
function openDump(): Dump {
  const parent = process.env.JITDUMPDIR ?? tmpdir();
  mkdirSync(parent, { recursive: true });
  const file = openSync(join(mkdtempSync(join(parent, 'fromsource-perf-')), `jit-${process.pid}.dump`), 'wx+', 0o600);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt32LE(VERSION, 4);
  header.writeUInt32LE(HEADER_BYTES, 8);
  header.writeUInt32LE(EM_BY_ARCH[process.arch] ?? 0, 12);
  header.writeUInt32LE(process.pid, 20);
  header.writeBigUInt64LE(process.hrtime.bigint(), 24);
  writeSync(file, header);
  const types = ['void *', 'size_t', 'int', 'int', 'int', 'int64_t'];
  koffi.load(null).func('mmap', 'void *', types)(null, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  return { file, records: 0 };
}

/** Functions that are live, and stay so during the call. */
export function writeToDump(functions: readonly CodeFunction[]): void {
  dump ??= openDump();
  for (const { address, size, name } of functions) {
    if (size === 0) continue;
    const text = Buffer.from(`${name}\0`);
    const record = Buffer.alloc(CODE_LOAD_BYTES);
    record.writeUInt32LE(CODE_LOAD, 0);
    record.writeUInt32LE(CODE_LOAD_BYTES + text.length + size, 4);
    record.writeBigUInt64LE(process.hrtime.bigint(), 8);
    record.writeUInt32LE(process.pid, 16);
    record.writeUInt32LE(process.pid, 20);
    record.writeBigUInt64LE(BigInt(address), 24);
    record.writeBigUInt64LE(BigInt(address), 32);
    record.writeBigUInt64LE(BigInt(size), 40);
    record.writeBigUInt64LE(BigInt(dump.records), 48);
    dump.records += 1;
    const code = new Uint8Array(koffi.view(BigInt(address), size));
    writeSync(dump.file, Buffer.concat([record, text, code]));
  }
}
