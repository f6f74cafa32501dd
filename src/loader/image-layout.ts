/** Pure: makes a linked image one that can be opened without reading its file, and one that only one library opens. */

import {
  findSymbolTables,
  LINKER_DEFINED,
  readExports,
  readLinkSymbols,
  readSections,
  type SymbolTable,
} from '../elf.ts';
import type { ImportSlots } from './imports.ts';

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PF_W = 2;
const DT_INIT_ARRAY = 25;
const DT_INIT_ARRAYSZ = 27;
const SHF_EXECINSTR = 4;

/** What a claim takes: a `pthread_mutex_t` is 40 bytes on x86-64 and 48 on arm64. */
const CLAIM_BYTES = 64;

/** Initialisers that the dynamic linker is kept from. */
export interface Initialisers {
  /** Of the table of their addresses, from the address at which the object is loaded. */
  readonly offset: number;
  readonly count: number;
}

/** What opening an image needs to know of it. Plain data, to be kept beside the file; offsets are from where it is mapped. */
export interface ImageLayout {
  readonly initialisers: Initialisers | null;
  /** Zeroes when it is mapped: the mutex that whoever opens it first locks for good. */
  readonly claim: number;
  /** The end of what is mapped of it. */
  readonly end: number;
  /**
   * What is a function and what is data can be told by this range, and all that `dlsym` finds in the image is an export
   * of it; null where that is not so.
   */
  readonly code: { readonly from: number; readonly to: number } | null;
  readonly symbols: SymbolTable;
  /** What is to be filled before anything of it runs. */
  readonly imports?: readonly ImportSlots[];
}

interface ProgramHeader {
  readonly type: number;
  readonly writable: boolean;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  /** Where in the file {@link memorySize} is. */
  readonly memorySizeAt: number;
}

const viewOf = (file: Uint8Array) => new DataView(file.buffer, file.byteOffset, file.byteLength);

function programHeaders(file: Uint8Array): ProgramHeader[] {
  const view = viewOf(file);
  const number = (at: number) => Number(view.getBigUint64(at, true));
  const start = number(32);
  return Array.from({ length: view.getUint16(56, true) }, (_, index) => {
    const at = start + index * 56;
    return {
      type: view.getUint32(at, true),
      writable: (view.getUint32(at + 4, true) & PF_W) !== 0,
      offset: number(at + 8),
      address: number(at + 16),
      fileSize: number(at + 32),
      memorySize: number(at + 40),
      memorySizeAt: at + 40,
    };
  });
}

/** The table that DT_INIT_ARRAY names, and where in the file its size is; null when there is none. */
export function findInitialisers(file: Uint8Array): (Initialisers & { readonly sizeAt: number }) | null {
  const view = viewOf(file);
  const number = (at: number) => Number(view.getBigUint64(at, true));
  for (const { type, offset: start, fileSize } of programHeaders(file)) {
    if (type !== PT_DYNAMIC) continue;
    let offset: number | undefined;
    let sizeAt: number | undefined;
    for (let at = start; at < start + fileSize; at += 16) {
      if (number(at) === DT_INIT_ARRAY) offset = number(at + 8);
      if (number(at) === DT_INIT_ARRAYSZ) sizeAt = at + 8;
    }
    if (offset !== undefined && sizeAt !== undefined) return { offset, count: number(sizeAt) / 8, sizeAt };
  }
  return null;
}

/**
 * Keeps the dynamic linker from running the initialisers, where `takes` says so of their number, and makes room for a
 * claim.
 *
 * @param file - is changed
 * @throws RangeError for a file that no linker makes.
 */
export function prepareImage(file: Uint8Array, takes: (count: number) => boolean): ImageLayout {
  const segments = programHeaders(file).filter(({ type }) => type === PT_LOAD);
  const [first, last] = [segments[0], segments.at(-1)];
  const [symbols, ...others] = findSymbolTables(file, 'dynamic');
  if (first === undefined || last === undefined || symbols === undefined || others.length > 0) {
    throw new RangeError('it has no segments, or not one table of dynamic symbols');
  }
  // So that addresses are the same in the file and in memory, where the table is read.
  const tablesEnd = Math.max(symbols.offset + symbols.size, symbols.names.offset + symbols.names.size);
  if (first.offset !== 0 || first.address !== 0 || tablesEnd > first.fileSize) {
    throw new RangeError('its first segment does not hold the symbols');
  }
  if (!last.writable || segments.some(({ address }) => address > last.address)) {
    throw new RangeError('its last segment is not the writable one');
  }

  // Beyond what it had: the dynamic linker maps zeroes there, and nothing else knows of it.
  const claim = Math.ceil((last.address + last.memorySize) / 16) * 16;
  const end = claim + CLAIM_BYTES;
  viewOf(file).setBigUint64(last.memorySizeAt, BigInt(end - last.address), true);
  return { initialisers: takeInitialisers(file, takes), claim, end, code: findCode(file, symbols), symbols };
}

function takeInitialisers(file: Uint8Array, takes: (count: number) => boolean): Initialisers | null {
  const found = findInitialisers(file);
  if (found === null || !takes(found.count)) return null;
  const { offset, count, sizeAt } = found;
  viewOf(file).setBigUint64(sizeAt, 0n, true);
  return { offset, count };
}

function findCode(file: Uint8Array, table: SymbolTable): ImageLayout['code'] {
  const sections = readSections(file).filter(({ flags }) => (flags & SHF_EXECINSTR) !== 0);
  if (sections.length === 0) return null;
  const from = Math.min(...sections.map(({ address }) => address));
  const to = Math.max(...sections.map(({ address, size }) => address + size));
  const exported = readExports(file, table);
  const isTold = exported.every(({ kind, value }) => (kind === 'function') === (from <= value && value < to));
  // Such as thread-local ones, and the start files' `_init`, which `dlsym` finds too.
  const isMark = (name: string) => LINKER_DEFINED.has(name) && name !== '_init' && name !== '_fini';
  const found = readLinkSymbols(file, 'dynamic').defined.filter((name) => !isMark(name));
  return isTold && exported.length === found.length ? { from, to } : null;
}
