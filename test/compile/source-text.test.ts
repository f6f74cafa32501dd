/** A text that has a line directive of ours before its first line: what diagnostics say stays what it is without. */

import { afterAll, describe, expect, test } from 'vitest';
import { compileOneShot } from '../../src/compile/one-shot.ts';
import { compileResident, endResidents } from '../../src/compile/resident.ts';
import { needsLineDirective, withLineDirective } from '../../src/compile/source-text.ts';
import { findResident } from '../../src/toolchain/resident.ts';
import { installedToolchains, rejectionOf, textRequest } from './requests.ts';

afterAll(endResidents);

const WRONG = `\ufeff#include "own.h"
int f(void) { return 1 }
int g(int a) {
  retrun a
    + 2;
}
int h(int *p) { return p + "text"; }
`;
const headers = { 'own.h': 'int own(int a) { retrun a; }\nint second(void) { return 2 }\n' };

describe('a line directive', () => {
  test('escapes the name, and takes a byte order mark away', () => {
    expect(withLineDirective({ text: '\ufeffint x;', displayName: 'a"b\\c\u0001.c' })).toBe(
      '#line 1 "a\\"b\\\\c\\001.c"\nint x;',
    );
  });

  test('is for gcc, and for what clang’s sanitizers report, of a text', () => {
    const plain = textRequest('');
    const sanitized = textRequest('', { flags: ['-O1', '-fsanitize=undefined'] });
    expect([needsLineDirective('gcc', plain), needsLineDirective('clang', plain)]).toEqual([true, false]);
    expect(needsLineDirective('clang', sanitized)).toBe(true);
    const file = { ...sanitized, input: { kind: 'file', path: '/a.c' } } as const;
    expect([needsLineDirective('gcc', file), needsLineDirective('clang', file)]).toEqual([false, false]);
  });

  const resident = findResident();
  test.runIf(resident !== null).each(['resident', 'one-shot'] as const)(
    'changes no place, range or fix-it of a diagnostic (%s)',
    async (way) => {
      const [clang] = (await installedToolchains()).filter(({ kind }) => kind === 'clang');
      const compile = (flags: string[]) => {
        const request = textRequest(WRONG, { headers, flags });
        return way === 'resident'
          ? compileResident(resident as never, request)
          : compileOneShot(clang as never, request);
      };
      const [plain, sanitized] = await Promise.all([
        rejectionOf(compile(['-O1'])),
        rejectionOf(compile(['-O1', '-fsanitize=undefined'])),
      ]);
      expect(sanitized.message).toBe(plain.message);
      expect(sanitized.diagnostics).toEqual(plain.diagnostics);
      const fixits = (plain.diagnostics as { fixits: { file: string; line: number }[] }[]).flatMap(
        (each) => each.fixits,
      );
      expect(fixits.map(({ file, line }) => [file, line])).toContainEqual(['vec.c', 2]);
    },
  );
});
