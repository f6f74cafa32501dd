/**
 * The files of a cache: reading what can be trusted, and writing so that a reader never sees half a file.
 *
 *     <key>.manifest       what is known of a key: its variants; its time is that of the last use
 *     <key>-<id>.object    a variant's object
 *     <key>-<id>.so        a variant's linked image: an ELF file, as the dynamic linker wants it
 *     <digest>.memo        what can be found out anew
 *     <key>.lock           somebody compiles that
 *     tmp/                 what somebody writes: a folder of its own, so that a look at it is quick
 *
 * Every one but the image is a frame with its own digest; the image's is in the manifest. Nothing here needs a lock: a
 * name is only ever given to a whole file, by a rename.
 */

import {
  closeSync,
  constants,
  fstatSync,
  fsync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmdirSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { isAlive, pidNamespace } from '../process-identity.ts';
import { entryFolder, prepareFolder, warnOnce } from './folder.ts';
import { decodeFrame, type Frame, type FrameKind } from './frame.ts';
import { TEMPORARY_FOLDER, TEMPORARY_NAME, temporaryName } from './names.ts';
import { finishAtExit, nameFiles, type PendingFile, pending, writes } from './naming.ts';

/** Where a cache is and what it may do there. */
export interface CachePlace {
  /** Absolute. */
  readonly folder: string;
  /** Bytes that all files may have together. */
  readonly maxBytes: number;
  /** Take what is there, and change nothing. */
  readonly readOnly: boolean;
}

/** A file that is to be kept: its name, and its content in parts. */
export interface NewFile {
  readonly name: string;
  readonly parts: readonly Uint8Array[];
}

const fsyncAsync = promisify(fsync);

/** The cache in one folder. */
export class Store {
  readonly place: CachePlace;
  /** Where the files are. */
  readonly folder: string;
  /** Why the cache is not to be used; null when it may be. */
  readonly fault: string | null;
  /** Bytes that this process has kept here, those too that were replaced since. */
  bytesWritten = 0;
  #isSwept = false;

  constructor(place: CachePlace) {
    this.place = place;
    this.folder = entryFolder(place.folder);
    this.fault = prepareFolder(place.folder, place.readOnly);
    if (this.fault !== null) {
      warnOnce('FROMSOURCE_CACHE_OFF', place.folder, `the cache is off: ${this.fault}`);
    }
  }

  /** Whether anything may be kept. */
  get isWritable(): boolean {
    return this.fault === null && !this.place.readOnly;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** A file that is whole and ours, else null; one that is there and isn't is removed, and warned of. */
  readFrame(kind: FrameKind, name: string, key: string): Frame | null {
    const bytes = this.#read(name);
    if (bytes === null) return null;
    const frame = typeof bytes === 'string' ? bytes : decodeFrame(kind, key, bytes);
    if (typeof frame !== 'string') return frame;
    this.removeDamaged(name, frame);
    return null;
  }

  /** Bytes of a regular file of this user, or why it is none; null when it can't be read. */
  #read(name: string): Buffer | string | null {
    let descriptor: number | undefined;
    try {
      descriptor = openSync(this.path(name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const found = fstatSync(descriptor, { bigint: true });
      if ((Number(found.mode) & constants.S_IFMT) !== constants.S_IFREG) return 'it is not a regular file';
      if (Number(found.uid) !== process.geteuid?.()) return `it belongs to user ${found.uid}`;
      const size = Number(found.size);
      if (size > MAX_FILE_BYTES) return `it has ${size} bytes`;
      const bytes = Buffer.allocUnsafe(size);
      let count = 0;
      for (let more = 1; count < size && more > 0; count += more) {
        more = readSync(descriptor, bytes, count, size - count, count);
      }
      return bytes.subarray(0, count);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ELOOP') return 'it is a symbolic link';
      if (code !== 'ENOENT') this.#report('read', error);
      return null;
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }

  /**
   * Keeps files under their names, all of them or, when the process is killed meanwhile, a first part of the list. What
   * fails is warned of, and costs a later miss. Written when this returns; named when the promise resolves, and at the
   * latest when the process exits.
   */
  put(files: readonly NewFile[]): Promise<boolean> {
    const write = this.#put(files).finally(() => writes.delete(write));
    writes.add(write);
    return write;
  }

  async #put(files: readonly NewFile[]): Promise<boolean> {
    if (!this.isWritable) return false;
    const written: PendingFile[] = [];
    try {
      for (const { name, parts } of files) written.push(this.#write(name, parts));
      pending.add(written);
      finishAtExit();
      for (const { descriptor } of written) await fsyncAsync(descriptor);
      nameFiles(written);
      for (const { parts } of files) for (const { byteLength } of parts) this.bytesWritten += byteLength;
      return true;
    } catch (error) {
      for (const { temporary } of written) this.#unlink(temporary);
      this.#report('write', error);
      return false;
    } finally {
      pending.delete(written);
      for (const { descriptor } of written) closeSync(descriptor);
    }
  }

  #write(name: string, parts: readonly Uint8Array[]): PendingFile {
    const temporary = join(this.folder, TEMPORARY_FOLDER, temporaryName());
    const descriptor = this.#create(temporary);
    try {
      for (const part of parts) {
        for (let at = 0; at < part.byteLength; ) at += writeSync(descriptor, part, at);
      }
    } catch (error) {
      closeSync(descriptor);
      this.#unlink(temporary);
      throw error;
    }
    return { descriptor, temporary, final: this.path(name) };
  }

  #create(temporary: string): number {
    try {
      return openSync(temporary, 'wx', 0o600);
    } catch (error) {
      // An empty folder, which somebody tidied away. Without the folder around it there is no cache any more.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      mkdirSync(dirname(temporary), { mode: 0o700 });
      return openSync(temporary, 'wx', 0o600);
    }
  }

  /** Notes that an entry was used, for those that are removed first. Unused for a second or not, it is all the same. */
  touch(name: string, now: number): void {
    if (!this.isWritable) return;
    try {
      utimesSync(this.path(name), now / 1000, now / 1000);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#report('write', error);
    }
  }

  remove(name: string): void {
    if (this.isWritable) this.#unlink(this.path(name));
  }

  /** Removes what can't be trusted, and says so. */
  removeDamaged(name: string, why: string): void {
    const what = this.place.readOnly ? 'is passed over' : 'was removed';
    warnOnce('FROMSOURCE_CACHE_DAMAGED', this.folder, `${this.path(name)} ${what}: ${why}`);
    this.remove(name);
  }

  /** Removes what killed processes were writing; the first time that it is asked for in this process. */
  sweep(): void {
    if (this.#isSwept || !this.isWritable) return;
    this.#isSwept = true;
    try {
      for (const name of readdirSync(join(this.folder, TEMPORARY_FOLDER))) {
        const [, namespace, pid] = TEMPORARY_NAME.exec(name) ?? [];
        const path = join(this.folder, TEMPORARY_FOLDER, name);
        const isOver =
          namespace === pidNamespace() ? !isAlive(Number(pid)) : Date.now() - statSync(path).mtimeMs > ABANDONED_MS;
        if (isOver) this.#unlink(path);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#report('read', error);
    }
  }

  #unlink(path: string): void {
    try {
      // In the place of a file a folder would stay for good; only an empty one is sure to be nobody's.
      if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) rmdirSync(path);
      else unlinkSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#report('write', error);
    }
  }

  #report(what: 'read' | 'write', error: unknown): void {
    const how = what === 'read' ? 'could not be read from' : 'could not be written to';
    warnOnce('FROMSOURCE_CACHE_FAULT', this.folder, `the cache ${this.folder} ${how}: ${(error as Error).message}`);
  }
}

/** No write takes that long: of a process that can't be asked whether it lives. */
const ABANDONED_MS = 3_600_000;

/** What is longer than any object that may be loaded is damage. */
const MAX_FILE_BYTES = 2 ** 32;

const stores = new Map<string, Store>();

/** The store at a place; its folder is looked at once per process. */
export function openStore(place: CachePlace): Store {
  const key = `${place.folder}\0${place.maxBytes}\0${place.readOnly}`;
  let store = stores.get(key);
  if (store === undefined) {
    store = new Store(place);
    stores.set(key, store);
  }
  return store;
}
