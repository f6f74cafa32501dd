import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { LinkError } from '../../src/index.ts';
import { type Compiler, compile } from '../loader/fixtures/objects.ts';
import { archive, header, member } from '../objects/archives.ts';
import { holdLoads, LOADERS } from './load.ts';

/** Makes `name` of members, each from a source; `flags` as `ar` takes them. */
function ar(name: string, sources: Record<string, string>, flags = 'rcs', compiler: Compiler = 'clang-22'): void {
  for (const [object, source] of Object.entries(sources)) writeFileSync(object, compile(compiler, source));
  execFileSync('ar', [flags, name, ...Object.keys(sources)]);
}

const SHAPES = {
  'area.o': 'double scale(double); double area(double r) { return 3 * scale(r) * r; }',
  'scale.o':
    'int started; __attribute__((constructor)) static void start(void) { started = 1; } double scale(double x) { return started * x; }',
  'unused.o': 'int not_there(void); int unused(void) { return not_there(); }',
  'even.o': 'int odd(int n); int even(int n) { return n == 0 ? 1 : odd(n - 1); }',
  'odd.o': 'int even(int n); int odd(int n) { return n == 0 ? 0 : even(n - 1); }',
};

describe.each(LOADERS)('archives on the %s loader', (loader) => {
  const { load, refusal } = holdLoads({ loader });
  const symbolsOf = async (spec: Record<string, unknown>) => [...(await load(spec)).symbols.keys()].sort();

  test.each(['rcs', 'rcS'])(
    'of what %s makes, only the members that the wanted names need are linked',
    async (flags) => {
      ar(`shapes-${flags}.a`, SHAPES, flags);
      const library = await load({ archive: `shapes-${flags}.a`, exports: ['area'] });
      expect([...library.symbols.keys()].sort()).toEqual(['area', 'scale', 'started']);
      expect(library.func('double area(double)')(2)).toBe(12);
    },
  );

  test('members that need each other are linked together', async () => {
    ar('shapes.a', SHAPES);
    const library = await load({ archive: 'shapes.a', exports: ['odd'] });
    expect([...library.symbols.keys()].sort()).toEqual(['even', 'odd']);
    expect(library.func('int odd(int)')(1001)).toBe(1);
  });

  test('without wanted names every member is linked, and all must be whole', async () => {
    const { 'unused.o': _, ...whole } = SHAPES;
    ar('whole.a', whole);
    expect(await symbolsOf({ archive: 'whole.a' })).toEqual(['area', 'even', 'odd', 'scale', 'started']);
    ar('shapes.a', SHAPES);
    expect(await refusal({ archive: 'shapes.a' })).toMatchObject({ code: 'ERR_LINK', missingSymbols: ['not_there'] });
  });

  test('of two members that define a name the first is taken; all at once are refused', async () => {
    ar('twins.a', { 'one.o': 'int f(void) { return 1; }', 'two.o': 'int f(void) { return 2; }' });
    expect((await load({ archive: 'twins.a', exports: ['f'] })).func('int f(void)')()).toBe(1);
    expect((await refusal({ name: 'twins', archive: 'twins.a' })).message).toMatch(
      /^twins: more than one object defines `f`:/,
    );
  });

  test('a weak reference brings no member in, and one that is there is used', async () => {
    ar('weak.a', {
      'f.o': 'extern int g(void) __attribute__((weak)); int f(void) { return g ? g() : 7; }',
      'g.o': 'int g(void) { return 8; }',
    });
    expect((await load({ archive: 'weak.a', exports: ['f'] })).func('int f(void)')()).toBe(7);
    expect((await load({ archive: 'weak.a', exports: ['f', 'g'] })).func('int f(void)')()).toBe(8);
  });

  test('C++ members start, share inline functions and end', async () => {
    const shared = '#include <string>\nextern std::string &text();\ninline int &uses() { static int n; return n; }\n';
    ar(
      'cxx.a',
      {
        'text.o': `${shared}std::string &text() { static std::string all = "made"; uses()++; return all; }`,
        'user.o': `${shared}static struct User { User() { text() += " and used"; } ~User() { text().clear(); } } user;
          extern "C" const char *what() { return text().c_str(); } extern "C" int count() { return uses(); }`,
      },
      'rcs',
      'clang++-22',
    );
    const library = await load({ archive: 'cxx.a', exports: ['what'] });
    expect(library.func('const char *what(void)')()).toBe('made and used');
    expect(library.func('int count(void)')()).toBe(2);
  });

  test('the real libz.a, from its checksum on', async () => {
    const file = execFileSync('gcc', ['-print-file-name=libz.a'], { encoding: 'utf8' }).trim();
    const library = await load({ archive: file, exports: ['crc32', 'zlibVersion'] });
    expect(library.func('unsigned long crc32(unsigned long, const void *, unsigned)')(0, Buffer.from('hello'), 5)).toBe(
      0x3610a686,
    );
    expect(library.func('const char *zlibVersion(void)')()).toMatch(/^1\./);
    expect([...library.symbols.keys()]).not.toContain('gzopen');
  });

  test('a reload reads it again', async () => {
    ar('again.a', { 'f.o': 'int f(void) { return 1; }' });
    const library = await load({ archive: 'again.a', exports: ['f'] });
    const f = library.func('int f(void)');
    ar('again.a', { 'f.o': 'int f(void) { return 2; }' });
    await library.reload();
    expect(f()).toBe(2);
  });

  describe('what can not be used is refused', () => {
    test('a wanted name that no member defines, with a near one', async () => {
      ar('shapes.a', SHAPES);
      const error = await refusal({ name: 'bad', archive: 'shapes.a', exports: ['aera', 'zzz', 'even'] });
      expect(error).toBeInstanceOf(LinkError);
      expect(error.message).toMatch(
        /^bad: no member of \/.*\/shapes\.a defines `aera` \(did you mean `area`\?\), `zzz`, which `exports` asks for$/,
      );
      expect(error.missingSymbols).toEqual(['aera', 'zzz']);
    });

    test('a member of which a wanted one needs what is nowhere', async () => {
      ar('shapes.a', SHAPES);
      const error = await refusal({ archive: 'shapes.a', exports: ['unused'] });
      expect(error).toMatchObject({ code: 'ERR_LINK', missingSymbols: ['not_there'] });
    });

    test('a thin archive, by name', async () => {
      ar('thin.a', { 'f.o': 'int f(void) { return 1; }' }, 'rcsT');
      expect((await refusal({ archive: 'thin.a' })).message).toContain("thin.a can't be used: it is a thin archive");
    });

    test.each([
      ['an empty one', archive(), 'it has no members'],
      ['a text', Buffer.from('int f(void);'), 'it is not an archive'],
      [
        'one that is cut',
        archive(header('a.o/', 500), Buffer.from('x')),
        'the member at byte 8 claims 500 bytes, and 1 are left',
      ],
      [
        'one with a member that is no object',
        archive(member('README/', 'hello')),
        "the member README can't be linked: it is not an ELF file",
      ],
    ])('%s', async (_, bytes, message) => {
      writeFileSync('bad.a', bytes);
      const error = await refusal({ archive: 'bad.a' });
      expect(error).toBeInstanceOf(LinkError);
      expect(error.message).toContain(`bad.a can't be used: ${message}`);
    });

    test('a member that is no object, only when it is wanted', async () => {
      writeFileSync(
        'mixed.a',
        archive(member('README/', 'hello'), member('f.o/', compile('gcc', 'int f(void) { return 3; }'))),
      );
      expect((await load({ archive: 'mixed.a', exports: ['f'] })).func('int f(void)')()).toBe(3);
    });

    test('a file that is not there', async () => {
      expect((await refusal({ archive: 'nope.a' })).message).toMatch(/the archive \/.*\/nope\.a can't be read: ENOENT/);
    });
  });
});
