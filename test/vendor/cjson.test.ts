import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { readString, type SourceLibrary } from '../../src/index.ts';
import { describeSamples } from './describe-samples.ts';

function bindings(cjson: SourceLibrary) {
  return {
    version: cjson.func('const char *cJSON_Version(void)'),
    parse: cjson.func('cJSON *cJSON_ParseWithLength(const char *text, size_t length)'),
    errorAt: cjson.func('const char *cJSON_GetErrorPtr(void)'),
    print: cjson.func('char *cJSON_Print(const cJSON *item)'),
    printUnformatted: cjson.func('char *cJSON_PrintUnformatted(const cJSON *item)'),
    release: cjson.func('void cJSON_free(void *memory)'),
    remove: cjson.func('void cJSON_Delete(cJSON *item)'),
    compare: cjson.func('int cJSON_Compare(const cJSON *a, const cJSON *b, int caseSensitive)'),
    size: cjson.func('int cJSON_GetArraySize(const cJSON *array)'),
    createArray: cjson.func('cJSON *cJSON_CreateDoubleArray(const double *numbers, int count)'),
  };
}

/** What it prints 15 digits of where those are as good as equal; JavaScript prints as many as make the difference. */
function asPrinted(value: number): number {
  const short = Number(value.toPrecision(15));
  return Math.abs(short - value) <= Math.max(Math.abs(short), Math.abs(value)) * Number.EPSILON ? short : value;
}

describeSamples(['cjson'], (load) => {
  let cjson: ReturnType<typeof bindings>;
  beforeAll(async () => {
    cjson = bindings(await load('cjson'));
  });

  const parse = (text: string): bigint | null => {
    const bytes = Buffer.from(text);
    return cjson.parse(bytes, bytes.length);
  };

  function textOf(item: bigint, print = cjson.printUnformatted): string {
    const text = print(item) ?? 0n;
    try {
      return readString(text);
    } finally {
      cjson.release(text);
    }
  }

  test('says its version', () => {
    expect(cjson.version()).toBe('1.7.15');
  });

  test('prints what JSON.parse reads as the same value, for any value', () => {
    // Its strings end at a null character, its integers have no negative zero, and it rounds the largest numbers up to
    // what is none.
    const text = fc
      .json({ maxDepth: 5, stringUnit: 'grapheme' })
      .filter((json) => !json.includes('\\u0000') && !/-0(?![.\d])|e\+308/.test(json));
    fc.assert(
      fc.property(text, (json) => {
        const item = parse(json) ?? 0n;
        expect(item).not.toBe(0n);
        const copy = parse(textOf(item, cjson.print)) ?? 0n;
        const value = JSON.parse(json, (_key, each) => (typeof each === 'number' ? asPrinted(each) : each));
        expect(JSON.parse(textOf(item))).toEqual(value);
        expect(JSON.parse(textOf(copy))).toEqual(value);
        cjson.remove(item);
        cjson.remove(copy);
      }),
      { numRuns: 500 },
    );
  });

  test('says where a text is wrong', () => {
    expect(parse('{"a": [1, 2,, 3]}')).toBeNull();
    expect(cjson.errorAt()).toMatch(/^, 3\]/);
    expect(parse('[1, 2] trailing')).not.toBeNull();
    expect(parse('')).toBeNull();
  });

  test('makes an array of 100,000 numbers, and reads it back', () => {
    const numbers = Float64Array.from({ length: 100_000 }, (_, n) => Math.sin(n) * 10 ** (n % 30));
    const array = cjson.createArray(numbers, numbers.length) ?? 0n;
    expect(cjson.size(array)).toBe(numbers.length);
    expect(JSON.parse(textOf(array))).toEqual([...numbers].map(asPrinted));
    const copy = parse(JSON.stringify([...numbers])) ?? 0n;
    expect(cjson.compare(array, copy, 1)).toBe(1);
    cjson.remove(copy);
    cjson.remove(array);
  });
});
