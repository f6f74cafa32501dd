import { describe, expect, it, test } from 'vitest';
import { stripComments } from '../../src/compile/comments.ts';
import { scanText } from '../../src/compile/scan-text.ts';

const scan = (text: string) => scanText(Buffer.from(text));
const named = (text: string) => scan(text).names.map(({ name, isQuoted }) => (isQuoted ? `"${name}"` : `<${name}>`));

describe('the names that a text asks for', () => {
  test.each([
    ['#include "a.h"', '"a.h"'],
    ['#include <sys/a.h>', '<sys/a.h>'],
    ['  #  include_next\t<a.h>', '<a.h>'],
    ['#import "a.h"', '"a.h"'],
    ['#embed "a.bin" limit(3)', '"a.bin"'],
    ['/* one\n two */ #include "a.h"', '"a.h"'],
    ['# /* why */ include /* here */ "a.h"', '"a.h"'],
    ['#include \\\n"a.h"', '"a.h"'],
    ['#inc\\\nlude "a.h"', '"a.h"'],
    ['#include "a\\\n.h"', '"a.h"'],
    ['#include \\\r\n<a.h>\r\n', '<a.h>'],
    ['%:include <a.h>', '<a.h>'],
    ['#include "ä ö.h"', '"ä ö.h"'],
    ['#include "../up/a.h"', '"../up/a.h"'],
    ['#if __has_include("a.h")', '"a.h"'],
    ['#if __has_include_next( <a.h> )', '<a.h>'],
    ['#if __has_embed(<a.bin> limit(1))', '<a.bin>'],
  ])('%j', (text, expected) => expect(named(`int x;\n${text}\nint y;\n`)).toEqual([expected]));

  it('tells the operators from the directives', () => {
    expect(scan('#include <a>\n#if __has_include(<b>)\n').names).toEqual([
      { name: 'a', isQuoted: false, isProbe: false },
      { name: 'b', isQuoted: false, isProbe: true },
    ]);
  });

  it('reads a line of megabytes in no time', () => {
    const line = `char s[] = "${'include '.repeat(500_000)}";`;
    const start = performance.now();
    expect(scan(line).names).toEqual([]);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

test.each([
  ['#include NAME', true],
  ['#include_next NAME(x)', true],
  ['// # include it\n', false],
  ['/*\n # include what you use\n*/', false],
  ['#include <a.h>', false],
  ['int include = 1;', false],
])('%j names a file by a macro: %j', (text, expected) => expect(scan(text).hasMacroInclude).toBe(expected));

test.each([
  ['#define UP "../x.h"', true],
  ['# define /* a */ UP(x) \\\n  <../x>', true],
  ['#define A 1\nconst char *up = "../x.h";', false],
  ['#define V(...) f(__VA_ARGS__)', false],
  ['#include "../x.h"', false],
  ['// see ../x.h', false],
  ['void f(int, ...);', false],
])('%j may make a name that goes up: %j', (text, expected) => expect(scan(text).climbs).toBe(expected));

describe('what can not be recorded', () => {
  test.each([
    ['const char *d = __DATE__;', ['__DATE__']],
    ['char t[] = __TIME__ __TIMESTAMP__ __TIME__;', ['__TIME__', '__TIMESTAMP__']],
    ['// built on __DATE__\n/* __TIME__ */', []],
    ['int MY__DATE__X, __DATE__2;', []],
    ['char *s = "/*"; char *d = __DATE__; /* */', ['__DATE__']],
    ['int n = 1\'000; char *s = "\'/*"; char *d = __DATE__; /* */', ['__DATE__']],
    ['auto s = R"(/*)"; auto d = __DATE__; /* */', ['__DATE__']],
    ['asm(".incbin \\"x\\"");', ['.incbin']],
    ['asm(".INCBIN \\"x\\"");', ['.incbin']],
    ['asm(".include " NAME);', ['.include']],
    ['asm(".inc" "bin \\"x\\"");', ['.incbin']],
    ['asm(".inc"\n /* and */ u8"bin \\"x\\"");', ['.incbin']],
    ['asm("\\56inc" "" "bin \\"x\\"");', ['.incbin']],
    ['asm(".\\\nincbin \\"x\\"");', ['.incbin']],
    ['asm(".inc" BIN);', ['assembly in pieces']],
    ['asm("nop\\n." BIN);', ['assembly in pieces']],
    ['asm(DOT "incbin \\"x\\"");', ['assembly in pieces']],
    ['#define A(x) asm("." #x "in \\"x\\"")', ['assembly in pieces']],
    ['#define A(x) asm(S(x##bin))', ['assembly in pieces']],
    ['#define CODE ".inc" "bin \\"x\\""', ['.incbin']],
    ['#define BEGIN ".inc"', ['assembly in pieces']],
    ['asm(".macro m a\\n.inc\\\\a \\"x\\"\\n.endm\\nm bin");', ['assembly in pieces']],
    ['asm("cld; rep; " STOS "nop\\n\\t" "nop" : : "r"(x.include));', []],
    ['#define R(name, alias) name __asm__ ("" #alias)\n#include "a.inc"\nint f(struct s s) { return s.inc; }', []],
    ['struct s x = { .include = 1 }; y.include ();', []],
    ['#if __has_include(NAME)', ['__has_include of a macro']],
    ['#define HAS(x) __has_include(x)', ['__has_include of a macro']],
    ['#define has __has_include', ['__has_include of a macro']],
    ['#ifdef __has_include\n#if defined(__has_include) && defined __has_embed\n#endif', []],
    ['#if !defined(__has_include) || !__has_include(<a.h>)', []],
    ['#ifndef __has_include\n#define __has_include(x) 0\n#endif // __has_include', []],
  ])('%j', (text, expected) => expect(scan(text).volatile).toEqual(expected));
});

test.each([
  ['a // b\nc', 'a  \nc'],
  ['a /* b\n */ c', 'a   c'],
  ['a // b \\\n still\nc', 'a  \nc'],
  ['"// a" \'"\' /* b */ "/* c */"', '"// a" \'"\'   "/* c */"'],
  ['"a\\"/*b" /**/', '"a\\"/*b"  '],
  ["don't /* a */ stop", "don't   stop"],
  ['/* open', ' '],
  ['R"x(" /* )" */)x" /* a */', 'R"x(" /* )" */)x"  '],
])('stripComments(%j)', (text, expected) => expect(stripComments(text)).toBe(expected));
