import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nearNames } from '../src/near-names.ts';

test.each([
  ['prinft', ['printf', 'sprintf', 'puts'], ['printf', 'sprintf']],
  ['stbi_laod', ['stbi_load', 'stbi_load_16', 'stbi_info'], ['stbi_load']],
  ['include_paths', ['includePaths', 'flags'], ['includePaths']],
  ['ADD', ['add'], ['add']],
  ['x', ['y', 'abc'], ['y']],
  ['completely_else', ['printf', 'malloc'], []],
  ['', ['a'], ['a']],
])('near %s of %j: %j', (name, candidates, expected) => {
  expect(nearNames(name, candidates)).toEqual(expected);
});

test('a name is the nearest to itself, and at most three are given', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 30 }), fc.array(fc.string({ maxLength: 30 })), (name, others) => {
      const near = nearNames(name, [
        ...others.filter((other) => other.replaceAll('_', '').toLowerCase() !== name.replaceAll('_', '').toLowerCase()),
        name,
      ]);
      expect(near[0]).toBe(name);
      expect(near.length).toBeLessThanOrEqual(3);
    }),
  );
});
