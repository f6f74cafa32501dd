import { describe, expect, it } from 'vitest';
import { nearNames } from '../src/near-names.ts';

describe('nearNames', () => {
  it.each([
    ['pritnf', ['printf', 'puts', 'fprintf'], ['printf']],
    ['add', ['add', 'adds', 'and', 'sub'], ['adds', 'and']],
    ['x', ['y', 'xyz', ''], ['', 'y']],
    ['completely', ['different', 'names'], []],
    ['vec_lenght', ['vec_length', 'vec_dot'], ['vec_length']],
    ['anything', [], []],
  ])('finds what %s may have meant', (name, candidates, expected) => {
    expect(nearNames(name, candidates)).toEqual(expected);
  });

  it('returns no more than three, the closest first, each once', () => {
    expect(nearNames('alpha', ['alphaa', 'alphb', 'alpha1', 'alpha2', 'alpha1'])).toEqual([
      'alpha1',
      'alpha2',
      'alphaa',
    ]);
  });
});
