/** Pure: everything that decides the bytes of a compile before any file is read → key. */

import { sha256, startSha256 } from '../sha256.ts';
import { FORMAT_VERSION } from './frame.ts';

/** What a key is made of. What the compile reads from files is the manifest's; the compiler's own bytes too. */
export interface KeyParts {
  /** Kind, version, target triple, and paths of what compiles. */
  readonly compiler: readonly string[];
  /** What `native` stands for on this machine; empty when no flag asks for it. */
  readonly cpu: string;
  /** The compiler's arguments, in one form for all that mean the same. */
  readonly command: readonly string[];
  /** The working folder: quoted includes of a text, and relative names in debug information, start there. */
  readonly folder: string;
  /** Names and values of the environment that can change the bytes. */
  readonly environment: readonly string[];
  /** Shown by the code as its own file's name. */
  readonly displayName: string;
  /** The text, the IR, or the path of the file that is compiled. */
  readonly source: string | Uint8Array;
  /** In-memory headers, by name, sorted; only a text has them. */
  readonly headers: readonly (readonly [name: string, text: string])[];
}

/**
 * The key: a SHA-256, as 64 hexadecimal digits. Every part has its name and length before it, so that no two requests
 * run into one.
 */
export function keyOf(parts: KeyParts): string {
  const { source, headers, ...rest } = parts;
  const lengths = headers.map(([name, text]) => [name, text.length]);
  const head = JSON.stringify([FORMAT_VERSION, rest, typeof source, source.length, lengths]);
  const texts = headers.map(([, text]) => text);
  // At once where it is text: an object to be updated takes 0.2 ms to be made, the first time.
  if (typeof source === 'string') return sha256([`${head.length} ${head}`, source, ...texts].join(''));
  return startSha256().update(`${head.length} ${head}`).update(source).digest('hex');
}

/** A request as it is remembered, so that the next miss of the same library can name what differs. */
export interface KeyOutline extends Omit<KeyParts, 'source' | 'headers'> {
  readonly source: string;
  readonly headers: Readonly<Record<string, string>>;
}

const digestOf = (content: string | Uint8Array): string => sha256(content);

/** The parts with digests in place of texts. */
export function outlineOf(parts: KeyParts): KeyOutline {
  const headers = Object.fromEntries(parts.headers.map(([name, text]) => [name, digestOf(text)]));
  return { ...parts, source: digestOf(parts.source), headers };
}

const NAMES = [
  ['compiler', 'the compiler changed'],
  ['cpu', 'the processor is another one, and a flag says `native`'],
  ['environment', 'the environment changed'],
  ['folder', 'the working folder is another one'],
  ['displayName', 'the name is another one'],
] as const;

/** What differs between two requests, in words; `'its entry was removed'` when nothing does. */
export function explainDifference(before: KeyOutline, now: KeyOutline): string {
  const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);
  const reasons: string[] = NAMES.filter(([part]) => !same(before[part], now[part])).map(([, reason]) => reason);
  if (!same(before.command, now.command)) reasons.push(explainWords(before.command, now.command));
  if (before.source !== now.source) reasons.push('the source changed');
  for (const name of new Set([...Object.keys(before.headers), ...Object.keys(now.headers)])) {
    if (before.headers[name] === undefined) reasons.push(`header ${name} is new`);
    else if (now.headers[name] === undefined) reasons.push(`header ${name} is gone`);
    else if (before.headers[name] !== now.headers[name]) reasons.push(`header ${name} changed`);
  }
  return reasons.length === 0 ? 'its entry was removed' : reasons.join('; ');
}

function explainWords(before: readonly string[], now: readonly string[]): string {
  const gone = before.filter((word) => !now.includes(word));
  const added = now.filter((word) => !before.includes(word));
  const came = added.length > 0 ? `${added.join(' ')} came` : '';
  const went = gone.length > 0 ? `${gone.join(' ')} went` : '';
  if (came === '' && went === '') return 'the order of the flags changed';
  return `the flags changed: ${[came, went].filter((part) => part !== '').join(', ')}`;
}
