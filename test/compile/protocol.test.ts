import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  encodeFrame,
  FrameDecoder,
  MAX_FRAME_BYTES,
  type Packet,
  ProtocolError,
  readAnswer,
} from '../../src/compile/protocol.ts';

const attachments = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 });
const hello = { type: 'hello', protocol: 2, llvm: '22.1.8' } as const;

function frame(parts: Packet<any>): Buffer {
  return Buffer.concat(encodeFrame(parts));
}

/** Cuts a buffer at the given places, wherever they fall. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  const ends = [...sorted, bytes.length];
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
}

describe('frames', () => {
  test('come out as they went in, in whatever pieces they arrive', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.jsonValue(), attachments), { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (packets, places) => {
          const stream = Buffer.concat(
            packets.map(([value, blobs]) => frame({ message: { type: 'hello', value }, attachments: blobs })),
          );
          const decoder = new FrameDecoder();
          const decoded = cut(stream, places).flatMap((chunk) => decoder.push(chunk));
          expect(decoded.length).toBe(packets.length);
          decoded.forEach((packet, index) => {
            const [value, blobs] = packets[index] as (typeof packets)[0];
            const { attachments: lengths, ...message } = packet.message as Record<string, unknown>;
            expect(message).toEqual(JSON.parse(JSON.stringify({ type: 'hello', value })));
            expect(lengths).toEqual(blobs.map((blob) => blob.byteLength));
            expect(packet.attachments.map((each) => Buffer.from(each))).toEqual(blobs.map((blob) => Buffer.from(blob)));
          });
          expect(decoder.isInsideFrame).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('of one byte each piece, and of 40 MB', () => {
    const bytes = frame({ message: hello, attachments: [Buffer.from('abc')] });
    const slow = new FrameDecoder();
    const packets = [...bytes].flatMap((byte) => slow.push(Buffer.from([byte])));
    expect(packets.length).toBe(1);
    const large = Buffer.alloc(40_000_000, 7);
    const fast = new FrameDecoder();
    const stream = frame({ message: hello, attachments: [large] });
    let found: Packet<unknown>[] = [];
    for (let at = 0; at < stream.length; at += 65536) found = found.concat(fast.push(stream.subarray(at, at + 65536)));
    expect(Buffer.from(found[0]?.attachments[0] ?? []).equals(large)).toBe(true);
  });

  test.each([
    ['a length above the limit', [MAX_FRAME_BYTES + 1], 'claims'],
    ['a length too short for a message', [3], 'claims 3 bytes'],
    ['a message longer than its frame', [4, 100], 'a message claims 100 of 4 bytes'],
  ])('with %s are refused', (_what, words, message) => {
    const bytes = Buffer.alloc(words.length * 4 + 8);
    words.forEach((word, index) => {
      bytes.writeUInt32LE(word, index * 4);
    });
    expect(() => new FrameDecoder().push(bytes)).toThrow(ProtocolError);
    expect(() => new FrameDecoder().push(bytes)).toThrow(message);
  });

  test('with attachments that do not fit are refused', () => {
    const make = (lengths: unknown, rest: number): Buffer => {
      const json = Buffer.from(JSON.stringify({ type: 'hello', attachments: lengths }));
      const head = Buffer.alloc(8);
      head.writeUInt32LE(4 + json.length + rest, 0);
      head.writeUInt32LE(json.length, 4);
      return Buffer.concat([head, json, Buffer.alloc(rest)]);
    };
    for (const [lengths, rest] of [
      [[5], 4],
      [[5], 6],
      [[-1], 0],
      [[1.5], 2],
      ['x', 0],
      [undefined, 0],
      [[null], 0],
    ] as const) {
      expect(() => new FrameDecoder().push(make(lengths, rest))).toThrow(ProtocolError);
    }
  });

  test('a cut frame is waited for', () => {
    const decoder = new FrameDecoder();
    expect(decoder.push(frame({ message: hello, attachments: [] }).subarray(0, -1))).toEqual([]);
    expect(decoder.isInsideFrame).toBe(true);
  });

  test('no bytes make the decoder do anything but decode, wait or throw a ProtocolError', () => {
    const valid = frame({ message: hello, attachments: [Buffer.from('payload')] });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 64 }),
          // A valid frame with a few bytes changed gets further in.
          fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 4 }).map((changes) => {
            const bytes = Buffer.from(valid);
            for (const [place, value] of changes) bytes[place] = value;
            return bytes;
          }),
        ),
        (bytes) => {
          try {
            for (const packet of new FrameDecoder().push(Buffer.from(bytes))) readAnswer(packet);
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError);
          }
        },
      ),
      { numRuns: 5000 },
    );
  });
});

describe('answers', () => {
  const result = {
    type: 'result',
    id: 1,
    status: 'ok',
    reason: '',
    stderr: 0,
    outputs: { object: 1 },
    declarations: null,
    read: [{ path: '/a.h', size: 1, digest: 'ab' }],
    absent: ['/b.h', '/c/'],
    listed: [{ path: '/d', digest: 'ab' }],
    volatile: ['__TIME__'],
    preamble: 'none',
    times: { frontend: 1, optimise: 1, codegen: 1, total: 3 },
    memory: { resident: 1, peak: 2 },
  };
  const packet = (message: unknown): Packet<unknown> => ({ message, attachments: [Buffer.alloc(1), Buffer.alloc(1)] });

  test('that are whole are taken', () => {
    for (const message of [hello, result, { type: 'crash', id: 3, signal: 'SIGSEGV' }]) {
      expect(readAnswer(packet(message)).message).toBe(message);
    }
  });

  test.each([
    ['no object', null],
    ['an unknown type', { type: 'other' }],
    ['a hello without a version', { type: 'hello', llvm: '' }],
    ['a signal that is none', { type: 'crash', id: 1, signal: 'rm -rf' }],
    ['an id below zero', { ...result, id: -1 }],
    ['an unknown status', { ...result, status: 'fine' }],
    ['an attachment that is not there', { ...result, outputs: { object: 2 } }],
    ['no stderr', { ...result, stderr: undefined }],
    ['a read file without digest', { ...result, read: [{ path: '/a.h', size: 1 }] }],
    ['a read file without size', { ...result, read: [{ path: '/a.h', digest: 'ab' }] }],
    ['a listed folder that is no record', { ...result, listed: ['/d'] }],
    ['an absent path that is no string', { ...result, absent: [1] }],
    ['no reasons', { ...result, volatile: undefined }],
    ['a reason that is no string', { ...result, volatile: ['__DATE__', null] }],
    ['an unknown preamble', { ...result, preamble: 'maybe' }],
    ['times that are no numbers', { ...result, times: { total: '1' } }],
  ])('with %s are refused', (_what, message) => {
    expect(() => readAnswer(packet(message))).toThrow(ProtocolError);
  });

  test('of any JSON are taken or refused', () => {
    const keys = fc.constantFrom(
      'type',
      'id',
      'status',
      'stderr',
      'outputs',
      'read',
      'absent',
      'listed',
      'volatile',
      'times',
      'memory',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue(),
          fc.tuple(keys, fc.jsonValue()).map(([key, value]) => ({ ...result, [key]: value })),
        ),
        (message) => {
          try {
            readAnswer(packet(message));
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
