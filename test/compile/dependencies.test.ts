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
  const elf = '\x7fELF\x02 fromsource-object: x\n\x7fELF';
  const rule = 'fromsource-object: a.h \\\n b.h\n';

  it.each([
    ['the rule before the object, as clang 22 does', rule + elf, rule, elf],
    ['the rule after the object, as clang 19 does', elf + rule, rule, elf],
    ['a rule without an object', rule, rule, ''],
    ['an object without a rule', '\x7fELF\n\x7fELF', '', '\x7fELF\n\x7fELF'],
    ['neither', '', '', ''],
  ])('splits %s', (_, stdout, expectedRule, object) => {
    const split = splitRuleAndObject(Buffer.from(stdout, 'latin1'));
    expect([split.rule, split.object.toString('latin1')]).toEqual([expectedRule, object]);
  });
});
