import fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { type CType, parsePrototype, parseVariable, SCALARS } from '../../src/bindings/prototype.ts';
import type { ArrayArgument, FunctionOf, PointerArgument, VariableOf } from '../../src/bindings/prototype-types.ts';
import { BindingError } from '../../src/errors.ts';

function show(type: CType): string {
  if (type.kind === 'scalar') return type.name;
  if (type.kind === 'pointer') return `${type.to ?? '?'}*`;
  if (type.kind !== 'callback') return type.kind;
  return `${show(type.signature.result)}(${type.signature.parameters.map((each) => show(each.type)).join(',')})*`;
}

function shape(prototype: string): string {
  const { name, result, parameters } = parsePrototype('lib', prototype);
  return `${show(result)} ${name}(${parameters.map((each) => `${show(each.type)}${each.name ? ` ${each.name}` : ''}`).join(', ')})`;
}

describe('a prototype is read as C reads it', () => {
  test.each([
    ['int add(int a, int b)', 'int add(int a, int b)'],
    ['int add(int, int);', 'int add(int, int)'],
    ['void tick(void)', 'void tick()'],
    ['void tick()', 'void tick()'],
    [
      'unsigned long long int wide(signed char c, unsigned short int s)',
      'unsigned long long wide(signed char c, unsigned short s)',
    ],
    [
      'long unsigned a(short int, long int, unsigned, signed, long long)',
      'unsigned long a(short, long, unsigned int, int, long long)',
    ],
    ['size_t strlen(const char *s)', 'uint64_t strlen(string s)'],
    ['size_t strlen(char const *s)', 'uint64_t strlen(string s)'],
    ['char *strdup(const char *)', 'char* strdup(string)'],
    ['const char *name(void)', 'string name()'],
    ['const char *const name(void)', 'string name()'],
    ['void free_all(char **list, const char *const *names)', 'void free_all(?* list, ?* names)'],
    ['_Bool is(bool b)', 'bool is(bool b)'],
    ['sqlite3_stmt *prepare(struct sqlite3 *db, const union u *)', '?* prepare(?* db, ?*)'],
    ['SQLITE_API int sqlite3_open(const char *filename, sqlite3 **db)', 'int sqlite3_open(string filename, ?* db)'],
    ['STBIDEF stbi_uc *load(stbi_uc const *buffer, int *x)', '?* load(?* buffer, int* x)'],
    ['FILE *open_it(FILE *f)', '?* open_it(?* f)'],
    ['static inline double half(double)', 'double half(double)'],
    ['void blur(float image[], const int kernel[3][3])', 'void blur(float* image, ?* kernel)'],
    [
      'void sort(void *base, size_t n, int (*compare)(const void *, const void *))',
      'void sort(?* base, uint64_t n, int(?*,?*)* compare)',
    ],
    ['void each(void callback(int), int n)', 'void each(void(int)* callback, int n)'],
    ['enum mode get(enum mode m)', 'int get(int m)'],
    [
      'uint8_t u(int8_t a, uint16_t b, int32_t c, uint64_t d, float e)',
      'uint8_t u(int8_t a, uint16_t b, int32_t c, uint64_t d, float e)',
    ],
    ['int toString(int)', 'int toString(int)'],
    ['int constructor(int hasOwnProperty)', 'int constructor(int hasOwnProperty)'],
    ['  int\n  spread\t( int  a ,\n int b )  ;  ', 'int spread(int a, int b)'],
  ])('%s', (prototype, expected) => {
    expect(shape(prototype)).toBe(expected);
  });

  test('every scalar is itself, as result, parameter and pointer target', () => {
    for (const name of Object.keys(SCALARS)) {
      expect(shape(`${name} f(${name} a, ${name} *p)`)).toBe(`${name} f(${name} a, ${name}* p)`);
    }
  });
});

describe('what cannot be bound is refused with function, parameter and type', () => {
  test.each([
    [
      'int add(long double x)',
      "can't bind add: `long double` has no JavaScript value; wrap the function in one that takes `double`",
    ],
    [
      'struct point origin(void)',
      '`struct point` is not known here: records are not passed by value; pass a pointer to one',
    ],
    ['int f(vec3 v)', '`vec3` is not known here: write the type that it stands for'],
    ['int f(unit8_t v)', 'did you mean `uint8_t`?'],
    ['int printf(const char *format, ...)', "can't bind printf, parameter 2: variadic functions are not bound"],
    ['int f(void x)', "can't bind f, parameter x: a parameter can't be `void`"],
    ['int f(double _Complex z)', 'complex numbers have no JavaScript value'],
    ['int f(unsigned unsigned x)', '`unsigned unsigned` is not a type'],
    ['int f(int x', 'expected `)` at the end'],
    ['int f(int x))', 'unexpected `)`'],
    ['int f', 'no parameter list'],
    ['f(int)', '`f` is not known here'],
    ['int (int)', 'no function name'],
    ['', 'a type is missing'],
    ['int f(int x,)', 'a type is missing'],
    ['int f(toString x)', '`toString` is not known here'],
    ['constructor f(void)', '`constructor` is not known here'],
  ])('%s', (prototype, message) => {
    expect(() => parsePrototype('lib', prototype)).toThrow(BindingError);
    expect(() => parsePrototype('lib', prototype)).toThrow(message);
  });

  test('the error carries the parameter and the type', () => {
    try {
      parsePrototype('lib', 'int printf(const char *format, ...)');
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({
        code: 'ERR_UNSUPPORTED_TYPE',
        library: 'lib',
        function: 'printf',
        parameter: '2',
        type: '...',
      });
    }
  });

  test('no text makes the parser do anything but return or throw a BindingError', () => {
    const word = fc.constantFrom(
      'int',
      'const',
      'char',
      '*',
      '(',
      ')',
      ',',
      '...',
      'f',
      'struct',
      'X',
      '[',
      ']',
      ';',
      'long',
      'void',
      ' ',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(word, { maxLength: 24 }).map((words) => words.join(' ')),
    );
    fc.assert(
      fc.property(text, (prototype) => {
        for (const parse of [parsePrototype, parseVariable]) {
          try {
            parse('lib', prototype);
          } catch (error) {
            expect(error).toBeInstanceOf(BindingError);
          }
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('a variable', () => {
  test.each([
    ['int counter', 'int counter'],
    ['extern const double pi;', 'double pi'],
    ['const char *banner', 'string banner'],
    ['struct node *head', '?* head'],
  ])('%s', (declaration, expected) => {
    const { name, type } = parseVariable('lib', declaration);
    expect(`${show(type)} ${name}`).toBe(expected);
  });

  test.each([
    ['int x', false],
    ['const int x', true],
    ['int const x', true],
    ['const char *x', false],
    ['const char *const x', true],
    ['int *volatile x', false],
  ])('%s is constant: %s', (declaration, constant) => {
    expect(parseVariable('lib', declaration).constant).toBe(constant);
  });

  test('a function and an array are sent elsewhere', () => {
    expect(() => parseVariable('lib', 'int (*f)(void)')).toThrow('function pointers are not read');
    expect(() => parseVariable('lib', 'void x')).toThrow("a variable can't be `void`");
    expect(() => parseVariable('lib', 'int f(int)')).toThrow('use `func`');
    expect(() => parseVariable('lib', 'int table[4]')).toThrow('viewBytes');
  });
});

test('TypeScript reads a prototype literal', () => {
  expectTypeOf<FunctionOf<'int add(int a, int b)'>>().toEqualTypeOf<(a: number, b: number) => number>();
  expectTypeOf<FunctionOf<'void tick(void)'>>().toEqualTypeOf<() => undefined>();
  expectTypeOf<FunctionOf<'bool is( _Bool b )'>>().toEqualTypeOf<(b: boolean) => boolean>();
  expectTypeOf<FunctionOf<'size_t n(const char *s)'>>().toEqualTypeOf<
    (s: string | PointerArgument) => number | bigint
  >();
  expectTypeOf<FunctionOf<'const char *name(uint64_t)'>>().toEqualTypeOf<(a: number | bigint) => string | null>();
  expectTypeOf<FunctionOf<'char *dup(char *s, float x[])'>>().toEqualTypeOf<
    (s: PointerArgument, x: PointerArgument | ArrayArgument) => bigint | null
  >();
  expectTypeOf<FunctionOf<'int f(const char s[], const uint8_t *b, time_t t, foo *p)'>>().toEqualTypeOf<
    (s: string | PointerArgument, b: PointerArgument | ArrayArgument, t: number | bigint, p: PointerArgument) => number
  >();
  expectTypeOf<FunctionOf<'int sqlite3_open(const char *name, sqlite3 **db)'>>().toEqualTypeOf<
    (name: string | PointerArgument, db: PointerArgument) => number
  >();
  expectTypeOf<FunctionOf<'const unsigned char *f(char const *s, const signed char *t)'>>().toEqualTypeOf<
    (s: string | PointerArgument, t: PointerArgument) => bigint | null
  >();
  expectTypeOf<FunctionOf<string>>().toEqualTypeOf<(...args: any[]) => any>();
  expectTypeOf<VariableOf<'int counter'>>().toEqualTypeOf<number>();
  expectTypeOf<VariableOf<'int *head'>>().toEqualTypeOf<bigint | null>();
});
