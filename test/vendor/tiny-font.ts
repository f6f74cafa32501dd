/** Makes a minimal TrueType font, so that the font test depends on no font of the system. */

export interface Glyph {
  readonly advance: number;
  /** One outline: straight lines between these points, in font units, clockwise. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

const int16 = (...values: readonly number[]): Buffer => {
  const buffer = Buffer.alloc(values.length * 2);
  values.forEach((value, index) => {
    buffer.writeUInt16BE(value & 0xffff, index * 2);
  });
  return buffer;
};

const int32 = (...values: readonly number[]): Buffer => {
  const buffer = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => {
    buffer.writeUInt32BE(value, index * 4);
  });
  return buffer;
};

const padded = (buffer: Buffer): Buffer => Buffer.concat([buffer, Buffer.alloc(-buffer.length & 3)]);

function outline({ points }: Glyph): Buffer {
  if (points.length === 0) return Buffer.alloc(0);
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const steps = (values: readonly number[]) => values.map((value, index) => value - (values[index - 1] ?? 0));
  const onCurve = Buffer.alloc(points.length, 1);
  return padded(
    Buffer.concat([
      int16(1, Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)),
      int16(points.length - 1, 0),
      onCurve,
      int16(...steps(xs)),
      int16(...steps(ys)),
    ]),
  );
}

/** A font of 1,000 units per em, ascent 800, descent 200. Glyph 0, for what it does not have, is empty. */
export function makeFont(glyphs: Readonly<Record<string, Glyph>>): Buffer {
  const entries = Object.entries(glyphs).sort(([a], [b]) => (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0));
  const all = [{ advance: 500, points: [] }, ...entries.map(([, glyph]) => glyph)];
  const outlines = all.map(outline);
  const offsets = [0];
  for (const { length } of outlines) offsets.push((offsets.at(-1) ?? 0) + length);
  // cmap format 12: one group of one character each.
  const groups = entries.map(([text], index) => int32(text.codePointAt(0) ?? 0, text.codePointAt(0) ?? 0, index + 1));
  const cmap = Buffer.concat([
    int16(0, 1, 3, 10),
    int32(12),
    int16(12, 0),
    int32(16 + groups.length * 12, 0, groups.length),
    ...groups,
  ]);
  const tables: Record<string, Buffer> = {
    cmap,
    glyf: Buffer.concat(outlines),
    head: Buffer.concat([
      int32(0x10000, 0x10000, 0, 0x5f0f3cf5),
      int16(0, 1000),
      Buffer.alloc(16),
      // Bounds, style, smallest size, direction; then 1 for 32-bit offsets in loca.
      int16(0, 0, 1000, 1000, 0, 8, 2, 1, 0),
    ]),
    hhea: Buffer.concat([int32(0x10000), int16(800, -200, 100), Buffer.alloc(24), int16(all.length)]),
    hmtx: Buffer.concat(all.map(({ advance, points }) => int16(advance, Math.min(0, ...points.map(([x]) => x))))),
    loca: int32(...offsets),
    maxp: Buffer.concat([int32(0x10000), int16(all.length), Buffer.alloc(26)]),
  };
  const names = Object.keys(tables).sort();
  let at = 12 + names.length * 16;
  const directory = names.map((name) => {
    const { length } = tables[name] as Buffer;
    const entry = Buffer.concat([Buffer.from(name, 'latin1'), int32(0, at, length)]);
    at += padded(tables[name] as Buffer).length;
    return entry;
  });
  const bodies = names.map((name) => padded(tables[name] as Buffer));
  return Buffer.concat([int32(0x10000), int16(names.length, 0, 0, 0), ...directory, ...bodies]);
}
