/** Archives made byte by byte, in the forms that real tools write and in some that they don't. */

/** One header: 60 bytes of text fields. */
export function header(name: string, size: number, end = '`\n'): Buffer {
  return Buffer.from(
    `${name.padEnd(16)}${'0'.padEnd(12)}0     0     644     ${String(size).padEnd(10)}${end}`,
    'latin1',
  );
}

/** Header, content, and the byte that fills up to an even place. */
export function member(name: string, content: Uint8Array | string): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([header(name, bytes.length), bytes, Buffer.alloc(bytes.length & 1, '\n')]);
}

export function archive(...members: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from('!<arch>\n'), ...members]);
}
