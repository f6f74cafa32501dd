/** Pure: the members of a `.a` file, in the forms that GNU and LLVM `ar` and those of BSD and macOS write. */

/** One file inside an archive. */
export interface Member {
  readonly name: string;
  /** A view of the archive's bytes. */
  readonly bytes: Uint8Array;
}

const MAGIC = '!<arch>\n';
const THIN_MAGIC = '!<thin>\n';
const HEADER_BYTES = 60;

/** Symbol indexes: of GNU for 32 and 64 bits, and of BSD. A member's own symbol table says the same and can't be stale. */
const INDEXES = /^(?:\/|\/SYM64\/|__\.SYMDEF(?:_64)?(?: SORTED)?)$/;

/** The bytes are no archive that can be read; the message completes "it can't be used: …". */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}

/**
 * The members in their order, without symbol indexes and tables of names.
 *
 * @throws ArchiveError for bytes that are no archive, a thin archive, or a header that does not fit.
 */
export function readArchive(bytes: Uint8Array): Member[] {
  const text = (from: number, to: number): string => Buffer.from(bytes.subarray(from, to)).toString('latin1');
  const magic = text(0, MAGIC.length);
  if (magic === THIN_MAGIC) {
    throw new ArchiveError('it is a thin archive, which has only the names of its members: make it without `T`');
  }
  if (magic !== MAGIC) throw new ArchiveError('it is not an archive');

  const members: Member[] = [];
  let longNames = '';
  for (let at = MAGIC.length; at < bytes.length; ) {
    const field = text(at, at + 16).trimEnd();
    const sizeText = text(at + 48, at + 58).trimEnd();
    const size = Number(sizeText);
    const start = at + HEADER_BYTES;
    if (text(at + 58, start) !== '`\n' || !/^\d+$/.test(sizeText)) {
      throw new ArchiveError(`the member header at byte ${at} is damaged`);
    }
    if (size > bytes.length - start) {
      throw new ArchiveError(`the member at byte ${at} claims ${size} bytes, and ${bytes.length - start} are left`);
    }
    const content = bytes.subarray(start, start + size);
    if (field === '//') longNames = text(start, start + size);
    else if (!INDEXES.test(field)) {
      const member = nameMember(field, content, longNames, at);
      if (!INDEXES.test(member.name)) members.push(member);
    }
    // Members begin at even places.
    at = start + size + (size & 1);
  }
  return members;
}

function nameMember(field: string, content: Uint8Array, longNames: string, at: number): Member {
  // BSD: the name is the beginning of the content, filled up with NUL.
  const inContent = /^#1\/(\d+)$/.exec(field)?.[1];
  if (inContent !== undefined) {
    const length = Number(inContent);
    if (length > content.length) throw new ArchiveError(`the name of the member at byte ${at} is longer than it`);
    return { name: decode(content.subarray(0, length)).replace(/\0+$/, ''), bytes: content.subarray(length) };
  }
  // GNU: the name is at this place in the table, and ends with a slash and a newline.
  const inTable = /^\/(\d+)$/.exec(field)?.[1];
  if (inTable !== undefined) {
    const end = longNames.indexOf('\n', Number(inTable));
    if (end < 0) throw new ArchiveError(`the name of the member at byte ${at} is not in the table of names`);
    const name = Buffer.from(longNames.slice(Number(inTable), end), 'latin1').toString('utf8');
    return { name: name.replace(/\/$/, ''), bytes: content };
  }
  return { name: decode(Buffer.from(field, 'latin1')).replace(/\/$/, ''), bytes: content };
}

function decode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}
