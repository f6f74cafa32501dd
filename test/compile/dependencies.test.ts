import { describe, expect, it } from 'vitest';
import { parseDependencyRule, splitRuleAndObject } from '../../src/compile/dependencies.ts';

describe('parseDependencyRule', () => {
  it.each([
    ['object: a.c b.h\n', ['a.c', 'b.h']],
    ['object: a.c \\\n  b.h \\\n c.h\n', ['a.c', 'b.h', 'c.h']],
    ['object:\n', []],
    ['', []],
    ['object: /with\\ space/a.h x\\ y\n', ['/with space/a.h', 'x y']],
    ['object: a\\\\\\ b.h\n', ['a\\ b.h']],
    ['object: a\\#b $$c\n', ['a#b', '$c']],
    ['object: back\\slash.h\n', ['back\\slash.h']],
    ['object: a.h a.h b.h\n', ['a.h', 'b.h']],
    ['object: a.h\n\nb.h:\n', ['a.h']],
    ['object: C:colon.h\n', ['C:colon.h']],
  ])('reads %j', (rule, names) => {
    expect(parseDependencyRule(rule)).toEqual(names);
  });
});

describe('splitRuleAndObject', () => {
  const elf = '\x7fELF\x02\n\x7fELF';

  it.each([
    [`object: a.h\n${elf}`, 'object: a.h\n', elf],
    [elf, '', elf],
    ['object: a.h\n', '', 'object: a.h\n'],
    ['', '', ''],
  ])('splits %j where the object begins', (stdout, rule, object) => {
    const split = splitRuleAndObject(Buffer.from(stdout, 'latin1'));
    expect([split.rule, split.object.toString('latin1')]).toEqual([rule, object]);
  });
});
