import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseClangText } from '../../src/compile/clang-text.ts';
import { nameDiagnostics, parseDiagnostics } from '../../src/compile/diagnostics.ts';
import { parseGccJson } from '../../src/compile/gcc-json.ts';

const bare = { fixits: [], notes: [] };

describe('parseClangText', () => {
  it('reads place, severity, message and flag', () => {
    const text =
      "<stdin>:2:26: warning: unused variable 'u' [-Wunused-variable]\n    2 | x\n      |  ^\n1 warning generated.\n";
    expect(parseClangText(text)).toEqual({
      diagnostics: [
        {
          severity: 'warning',
          message: "unused variable 'u'",
          flag: '-Wunused-variable',
          file: '<stdin>',
          line: 2,
          column: 26,
          endLine: 2,
          endColumn: 26,
          ...bare,
        },
      ],
      rest: '',
    });
  });

  it('takes the range that holds the place, and leaves those of operands', () => {
    const [first] = parseClangText('a.c:5:50:{5:40-5:44}{5:50-6:2}: error: no\n').diagnostics;
    expect(first).toMatchObject({ line: 5, column: 50, endLine: 6, endColumn: 2, message: 'no' });
    const [second] = parseClangText('a.c:5:7:{5:5-5:6}{5:9-5:10}: error: invalid operands\n').diagnostics;
    expect(second).toMatchObject({ line: 5, column: 7, endLine: 5, endColumn: 7, message: 'invalid operands' });
  });

  it('reads names with colons, spaces and what looks like a message', () => {
    const [found] = parseClangText('C: error: x:1:2.c:3:4: error: no\n').diagnostics;
    expect(found).toMatchObject({ file: 'C: error: x:1:2.c', line: 3, column: 4, message: 'no' });
  });

  it.each([
    ["clang: error: unknown argument: '-fnope'", 'error', "unknown argument: '-fnope'"],
    [
      'fatal error: too many errors emitted, stopping now [-ferror-limit=]',
      'fatal',
      'too many errors emitted, stopping now',
    ],
    ['LLVM ERROR: out of memory', 'fatal', 'out of memory'],
    ['cc1: fatal error: x: No such file or directory', 'fatal', 'x: No such file or directory'],
  ])('reads %j, which has no place', (line, severity, message) => {
    expect(parseClangText(line).diagnostics).toMatchObject([{ severity, message, file: '', line: 0, column: 0 }]);
  });

  it('strips -Werror from the flag', () => {
    const text = 'a.c:1:1: error: x [-Werror,-Wunused]\na.c:1:1: error: y [-Werror=format=]\na.c:1:1: error: z [3]\n';
    expect(parseClangText(text).diagnostics.map(({ message, flag }) => [message, flag])).toEqual([
      ['x', '-Wunused'],
      ['y', '-Wformat='],
      ['z [3]', undefined],
    ]);
  });

  it('attaches notes and the include stack to their message', () => {
    const text = [
      'In file included from <stdin>:1:',
      'In file included from ./a.h:3:',
      './b.h:7:1: error: no',
      '    7 | error: a.c:1:1: error: this is source',
      '      | ^',
      './b.h:8:1: note: because',
      './b.h:9:1: error: again',
    ].join('\n');
    const { diagnostics } = parseClangText(text);
    expect(diagnostics.map(({ message }) => message)).toEqual(['no', 'again']);
    expect(diagnostics[0]?.notes.map(({ message, file, line }) => [message, file, line])).toEqual([
      ['included from here', '<stdin>', 1],
      ['included from here', './a.h', 3],
      ['because', './b.h', 8],
    ]);
  });

  it('reads fix-its with their escapes', () => {
    const text = 'a.c:1:1: error: no\nfix-it:"a \\"b\\".c":{1:2-3:4}:"\\t\\"x\\"\\n\\\\\\303\\251"\n';
    expect(parseClangText(text).diagnostics[0]?.fixits).toEqual([
      { file: 'a "b".c', line: 1, column: 2, endLine: 3, endColumn: 4, text: '\t"x"\n\\é' },
    ]);
  });

  it('joins a message of several lines when its snippet follows', () => {
    const text =
      "a.c:1:1: warning: 'old' is deprecated: first\nsecond [-Wdeprecated]\n    1 | x\n      | ^\nleft over\n";
    const { diagnostics, rest } = parseClangText(text);
    expect(diagnostics).toMatchObject([{ message: "'old' is deprecated: first\nsecond", flag: '-Wdeprecated' }]);
    expect(rest).toBe('left over');
  });

  it('leaves what reports a crash to the rest', () => {
    const text =
      'Stack dump:\nclang: error: clang frontend command failed with exit code 139 (use -v to see invocation)';
    expect(parseClangText(text)).toEqual({ diagnostics: [], rest: text });
  });
});

describe('parseGccJson', () => {
  it('reads kind, option, range and notes, and text of the driver and the assembler beside them', () => {
    const caret = { file: 'a.c', line: 2, 'byte-column': 5, 'display-column': 4, column: 5 };
    const finish = { ...caret, 'byte-column': 8 };
    const note = { kind: 'note', message: 'here', locations: [{ caret }], children: [] };
    const error = { kind: 'error', message: 'no', option: '-Wx', locations: [{ caret, finish }], children: [note] };
    const stderr = `${JSON.stringify([error])}\na.c: Assembler messages:\na.c:1: Error: no such instruction\nodd\n`;
    const place = { file: 'a.c', line: 2, column: 5, endLine: 2, fixits: [] };
    expect(parseGccJson(stderr)).toEqual({
      diagnostics: [
        {
          severity: 'error',
          message: 'no',
          flag: '-Wx',
          ...place,
          endColumn: 9,
          notes: [{ severity: 'note', message: 'here', ...place, endColumn: 5, notes: [] }],
        },
        {
          severity: 'error',
          message: 'no such instruction',
          file: 'a.c',
          line: 1,
          column: 0,
          endLine: 1,
          endColumn: 0,
          ...bare,
        },
      ],
      rest: 'odd',
    });
  });

  it('reads what is whole in an array that is cut short', () => {
    const all = ['a', 'b', 'c'].map((message) => ({ kind: 'error', message, locations: [], children: [] }));
    const text = JSON.stringify(all).replaceAll('"kind":', '"kind": ').replaceAll(',{', ', {');
    for (const cut of [text.length - 1, text.indexOf('"c"')]) {
      expect(parseGccJson(text.slice(0, cut)).diagnostics.map(({ message }) => message)).toEqual(['a', 'b']);
    }
  });

  it('keeps JSON that is cut short, or is something else, as text', () => {
    for (const text of ['[{"kind": "error", "mess', '[1, null]x', '{"kind":"error"}']) {
      expect(parseGccJson(text)).toEqual({ diagnostics: [], rest: text });
    }
  });
});

describe('both decoders', () => {
  const line = fc.oneof(
    fc.string(),
    fc.json({ maxDepth: 4 }),
    fc.json({ maxDepth: 4 }).map((json) => `[${json}]`),
    fc
      .tuple(fc.string(), fc.nat(), fc.nat(), fc.constantFrom('error', 'note', 'fatal error'), fc.string())
      .map(([file, row, column, kind, message]) => `${file}:${row}:${column}: ${kind}: ${message}`),
    fc
      .record({
        kind: fc.constantFrom('error', 'note', 'x'),
        message: fc.oneof(fc.string(), fc.nat()),
        locations: fc.array(
          fc.dictionary(
            fc.constantFrom('caret', 'start', 'finish'),
            fc.dictionary(fc.constantFrom('file', 'line', 'column', 'byte-column'), fc.jsonValue()),
          ),
        ),
        children: fc.oneof(fc.jsonValue(), fc.array(fc.jsonValue())),
        fixits: fc.jsonValue(),
      })
      .map((value) => JSON.stringify([value])),
  );

  it('never throw, and give well-formed diagnostics, whatever the compiler prints', () => {
    fc.assert(
      fc.property(fc.constantFrom('clang', 'gcc'), fc.array(line), (kind, lines) => {
        const { diagnostics, rest } = parseDiagnostics(kind, lines.join('\n'));
        expect(typeof rest).toBe('string');
        const check = (all: typeof diagnostics): void => {
          for (const one of all) {
            expect(['note', 'remark', 'warning', 'error', 'fatal']).toContain(one.severity);
            expect(typeof one.message).toBe('string');
            expect(typeof one.file).toBe('string');
            for (const number of [one.line, one.column, one.endLine, one.endColumn]) {
              expect(number).toBeGreaterThanOrEqual(0);
            }
            check(one.notes);
          }
        };
        check(diagnostics);
        nameDiagnostics(diagnostics, new Map(diagnostics.map((one) => [one.file, { name: 'x', lines: ['é', '😀x'] }])));
      }),
    );
  });

  it('take time in proportion to the text: 4 MiB of hostile lines are read within seconds', () => {
    for (const text of [
      'a:'.repeat(1 << 20),
      '{1:2-3:4}'.repeat(1 << 18),
      'fix-it:"\\"'.repeat(1 << 17),
      'x '.repeat(1 << 20),
      '[-W'.repeat(1 << 20),
    ]) {
      for (const prefix of ['', 'a.c:1:1: error: ', 'In file included from ']) {
        parseDiagnostics('clang', prefix + text);
        parseDiagnostics('gcc', prefix + text);
      }
    }
  }, 30_000);
});

describe('nameDiagnostics', () => {
  const sources = new Map([['<stdin>', { name: 'vec.c', lines: ['/* é😀 */ int x = y;'] }]]);

  it("gives the caller's name, and columns in UTF-16 code units", () => {
    const text = '<stdin>:1:22:{1:22-1:23}: error: no\nfix-it:"<stdin>":{1:22-1:23}:"z"\n<stdin>:1:17: note: x\n';
    const [found] = nameDiagnostics(parseClangText(text).diagnostics, sources);
    expect(found).toMatchObject({
      file: 'vec.c',
      column: 19,
      endColumn: 20,
      fixits: [{ file: 'vec.c', column: 19, endColumn: 20, text: 'z' }],
      notes: [{ file: 'vec.c', column: 14 }],
    });
    expect('/* é😀 */ int x = y;'[18]).toBe('y');
  });

  it('marks the word at a place without range, else one character', () => {
    const text = '<stdin>:1:14: error: no\n<stdin>:1:20: error: no\n<stdin>:9:9: error: no\n<stdin>:1: error: no\n';
    const named = nameDiagnostics(parseClangText(text).diagnostics, sources);
    expect(named.map(({ column, endColumn }) => [column, endColumn])).toEqual([
      [11, 14],
      [17, 18],
      [9, 10],
      [0, 0],
    ]);
  });

  it('leaves a place in a file that is not at hand as it is', () => {
    const [found] = nameDiagnostics(parseClangText('<built-in>:1:10: error: no\n').diagnostics, sources);
    expect(found).toMatchObject({ file: '<built-in>', line: 1, column: 10 });
  });
});
