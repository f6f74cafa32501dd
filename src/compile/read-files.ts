/** Reads the files that a compile has read: their digests, and what they look for themselves. */

import { createHash } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import { identityFrom, isSettled } from '../file-identity.ts';
import type { FileRead } from './compiler.ts';
import { createPauses } from './pauses.ts';
import { scanText, type TextScan } from './scan-text.ts';

type Content = { readonly file: FileRead; readonly scan: TextScan };

/** A file with the content that the compile read, or why that is not known. */
export type SeenFile = ({ readonly path: string } & Content) | { readonly path: string; readonly lost: string };

/** What was read of a file with this identity. System headers come again with every library. */
const known = new Map<string, Content>();
const MAX_KNOWN = 4000;
/** A digest of so many bytes takes 1 ms. */
const PIECE_BYTES = 2 ** 20;

/** Each file as it is now. One that changed at `since` or later, in ms, may not be what the compile read. */
export async function readFiles(paths: readonly string[], since: number): Promise<SeenFile[]> {
  const pause = createPauses();
  const seen: SeenFile[] = [];
  for (const path of paths) {
    await pause();
    try {
      seen.push(remember(path, since) ?? (await readOne(path, since, pause)));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const isGone = code === 'ENOENT' || code === 'ENOTDIR';
      seen.push({ path, lost: isGone ? `${path} vanished during the compile` : `${path} can't be read (${code})` });
    }
  }
  return seen;
}

/** What needs no reading; null when the file must be read. */
function remember(path: string, since: number): SeenFile | null {
  const link = lstatSync(path);
  const found = statSync(path, { bigint: true });
  if (!found.isFile() || /^\/(?:proc|sys)\//.test(path)) return { path, lost: `${path} need not hold the same twice` };
  if (isYoung(link, since) || isYoung(found, since)) return { path, lost: changed(path) };
  const memo = known.get(`${identityFrom(found)} ${path}`);
  return memo === undefined ? null : { path, ...memo };
}

const changed = (path: string): string => `${path} changed during the compile`;

async function readOne(path: string, since: number, pause: () => Promise<void> | undefined): Promise<SeenFile> {
  // By now it may be a pipe, whose opening would wait for a writer.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(descriptor, { bigint: true });
    const identity = identityFrom(found);
    const bytes = Buffer.allocUnsafe(Number(found.size));
    const hash = createHash('sha256');
    let size = 0;
    while (size < bytes.length) {
      const count = readSync(descriptor, bytes, size, Math.min(PIECE_BYTES, bytes.length - size), size);
      if (count === 0) break;
      hash.update(bytes.subarray(size, size + count));
      size += count;
      await pause();
    }
    const content = { file: { path, size, digest: hash.digest('hex') }, scan: scanText(bytes) };
    const isSame = identityFrom(fstatSync(descriptor, { bigint: true })) === identity;
    if (!isSame || isYoung(found, since)) return { path, lost: changed(path) };
    if (isSettled(found, Date.now())) {
      if (known.size >= MAX_KNOWN) known.clear();
      known.set(`${identity} ${path}`, content);
    }
    return { path, ...content };
  } finally {
    closeSync(descriptor);
  }
}

function isYoung({ ctimeMs, mtimeMs }: Stats | BigIntStats, since: number): boolean {
  return Number(ctimeMs) >= since || Number(mtimeMs) >= since;
}
