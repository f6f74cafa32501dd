import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CompileError, compileToIR, ToolchainError } from '../../src/index.ts';
import { findLlvmBindings } from './llvm-bindings.ts';
import { holdLoads, LOADERS } from './load.ts';

const ADD = 'define i32 @add(i32 %a, i32 %b) {\n  %s = add i32 %a, %b\n  ret i32 %s\n}\n';
const LATE = 'define i32 @late(i32 %x) {\n  %y = add i32 %x, %z\n  %z = add i32 %x, 1\n  ret i32 %y\n}\n';
const C = 'int add(int a, int b) { return a + b; }';

const bindings = findLlvmBindings();
if ('missing' in bindings) console.warn(`skipped: ${bindings.missing}`);

function bitcode(source: string, ...flags: string[]): Buffer {
  return execFileSync('clang-22', [...flags, '-x', 'c', '-c', '-emit-llvm', '-o', '-', '-'], { input: source });
}

/** `int add(int, int)`, and `int sum(int n)`, which adds the numbers below n in a loop. */
function buildModule(llvm: any): any {
  const context = new llvm.LLVMContext();
  const module = new llvm.Module('built', context);
  const builder = new llvm.IRBuilder(context);
  const int = builder.getInt32Ty();
  const declare = (name: string, parameters: number) => {
    const type = llvm.FunctionType.get(int, Array(parameters).fill(int), false);
    return llvm.Function.Create(type, llvm.Function.LinkageTypes.ExternalLinkage, name, module);
  };

  const add = declare('add', 2);
  builder.SetInsertPoint(llvm.BasicBlock.Create(context, 'entry', add));
  builder.CreateRet(builder.CreateAdd(add.getArg(0), add.getArg(1)));

  const sum = declare('sum', 1);
  const [entry, loop, end] = ['entry', 'loop', 'end'].map((name) => llvm.BasicBlock.Create(context, name, sum));
  builder.SetInsertPoint(entry);
  builder.CreateBr(loop);
  builder.SetInsertPoint(loop);
  const [index, total] = [builder.CreatePHI(int, 2), builder.CreatePHI(int, 2)];
  const nextTotal = builder.CreateCall(add, [total, index]);
  const nextIndex = builder.CreateAdd(index, builder.getInt32(1));
  for (const [phi, next] of [
    [index, nextIndex],
    [total, nextTotal],
  ]) {
    phi.addIncoming(builder.getInt32(0), entry);
    phi.addIncoming(next, loop);
  }
  builder.CreateCondBr(builder.CreateICmpSLT(nextIndex, sum.getArg(0)), loop, end);
  builder.SetInsertPoint(end);
  builder.CreateRet(nextTotal);
  return module;
}

describe.each(['resident', 'one-shot'] as const)('LLVM IR with the %s compiler', (compiler) => {
  const driver = process.env.FROMSOURCE_CLANG_DRIVER;
  beforeAll(() => {
    if (compiler === 'one-shot') process.env.FROMSOURCE_CLANG_DRIVER = join('/', 'no-driver');
  });
  afterAll(() => {
    if (driver === undefined) delete process.env.FROMSOURCE_CLANG_DRIVER;
    else process.env.FROMSOURCE_CLANG_DRIVER = driver;
  });

  describe.each(LOADERS)('on the %s loader', (loader) => {
    const { load, refusal } = holdLoads({ loader });

    test.each([
      ['text', ADD],
      ['text for a near triple', `target triple = "x86_64-unknown-linux-gnu"\n${ADD}`],
      ['bitcode', bitcode(C)],
      ['bitcode of -O0', bitcode(C, '-O0')],
    ])('%s is compiled and linked', async (_, ir) => {
      const library = await load({ ir });
      expect(library.func('int add(int, int)')(2, 3)).toBe(5);
      expect(library.loader.kind).toBe(loader);
      expect(library.diagnostics).toEqual([]);
    });

    test('the bytes are those at the time of the call', async () => {
      const ir = bitcode(C);
      const loading = load({ ir });
      ir.fill(0);
      expect((await loading).func('int add(int, int)')(2, 3)).toBe(5);
    });

    test('from C++ gets the C++ runtime', async () => {
      const source = '#include <string>\nextern "C" int length(int n) { return std::to_string(n).size(); }';
      const ir = await compileToIR({ name: 'cxx', source, language: 'c++' });
      expect((await load({ ir })).func('int length(int)')(12345)).toBe(5);
    });

    test('another can take its place in a reload', async () => {
      const library = await load({ ir: ADD });
      const add = library.func('int add(int, int)');
      await library.reload({ ir: bitcode(C.replace('+', '*')) });
      expect(add(2, 3)).toBe(6);
      await expect(library.reload({ source: C })).rejects.toThrow('`source` can not replace `ir`');
      await expect(library.reload({ ir: 'nonsense' })).rejects.toThrow(CompileError);
      expect(add(2, 3)).toBe(6);
    });

    test.skipIf('missing' in bindings)('a module of llvm-bindings is taken as it is', async () => {
      const { llvm } = bindings as { llvm: any };
      const module = buildModule(llvm);
      for (const flags of [['-O2'], ['-O0']]) {
        const library = await load({ ir: module, flags });
        expect(library.func('int add(int, int)')(2, 3)).toBe(5);
        expect(library.func('int sum(int)')(101)).toBe(5050);
      }
    });

    test('a module whose package is not there is refused', async () => {
      const stranger = { getModuleIdentifier: () => 'x', getTargetTriple: () => '' };
      const error = await refusal({ ir: stranger });
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toMatch(/^`ir` is a module, but the package llvm-bindings that made it was found neither/);
    });

    describe('that is invalid is a CompileError', () => {
      test('with the place of what can not be read', async () => {
        const error = await refusal({ name: 'bad', ir: `${ADD}define i32 @g() {\n  ret i64 0\n}\n` });
        expect(error).toBeInstanceOf(CompileError);
        expect(error.message).toContain(
          "bad: 1 error in bad.ll\nbad.ll:6:7: error: value doesn't match function result type 'i32'",
        );
        expect(error.diagnostics).toMatchObject([{ severity: 'error', file: 'bad.ll', line: 6, column: 7 }]);
        if (compiler === 'resident') expect(error.message).toContain("note: in function 'g'");
      });

      test('with the reason of the verifier and, from the resident compiler, the function', async () => {
        const error = await refusal({ name: 'bad', ir: LATE });
        expect(error).toMatchObject({ code: 'ERR_COMPILE', signal: null });
        expect(error.message).toContain('Instruction does not dominate all uses!');
        if (compiler === 'resident') expect(error.message).toContain("error: function 'late': ");
      });

      test.each([
        ['text', `target triple = "aarch64-linux-gnu"\n${ADD}`, 'aarch64-linux-gnu'],
        ['bitcode', bitcode(C, '--target=aarch64-linux-gnu'), 'aarch64-unknown-linux-gnu'],
      ])('%s for another machine, with its name', async (_, ir, triple) => {
        const error = await refusal({ ir });
        expect(error).toBeInstanceOf(CompileError);
        const message = `the module is for ${triple}, not for x86_64-pc-linux-gnu`;
        expect(error.message).toContain(`error: ${message}`);
        expect(error.diagnostics).toMatchObject([{ severity: 'error', message, line: 0 }]);
      });

      test('bytes that are no bitcode, and bitcode that is cut', async () => {
        const whole = bitcode(C);
        expect(await refusal({ ir: Buffer.from('BC\xc0\xde nonsense', 'latin1') })).toBeInstanceOf(CompileError);
        expect(await refusal({ ir: whole.subarray(0, whole.length / 2) })).toBeInstanceOf(CompileError);
      });

      test.skipIf('missing' in bindings)('a module of llvm-bindings without an end of a block', async () => {
        const { llvm } = bindings as { llvm: any };
        const context = new llvm.LLVMContext();
        const module = new llvm.Module('open', context);
        const type = llvm.FunctionType.get(llvm.Type.getVoidTy(context), [], false);
        const open = llvm.Function.Create(type, llvm.Function.LinkageTypes.ExternalLinkage, 'open', module);
        llvm.BasicBlock.Create(context, 'entry', open);
        expect(await refusal({ ir: module })).toBeInstanceOf(CompileError);
      });
    });

    test('goes through the passes that are given, or says who could run them', async () => {
      const ir =
        'define i32 @f() {\n  %p = alloca i32\n  store i32 5, ptr %p\n  %v = load i32, ptr %p\n  ret i32 %v\n}\n';
      const loading = { name: 'passes', ir, passes: 'function(mem2reg),default<O1>' };
      if (compiler === 'resident') {
        expect((await load(loading)).func('int f(void)')()).toBe(5);
        const error = await refusal({ name: 'bad', ir, passes: 'default<O2>,no-such-pass' });
        expect(error).toBeInstanceOf(CompileError);
        expect(error.message).toContain("unknown module pass 'no-such-pass'");
        const writing = await refusal({ name: 'writes', ir, passes: 'default<O2>,insert-gcov-profiling' });
        expect(writing).toBeInstanceOf(CompileError);
        expect(writing.message).toContain("'insert-gcov-profiling' is not let through");
      } else {
        const error = await refusal(loading);
        expect(error).toBeInstanceOf(ToolchainError);
        expect(error.message).toMatch(/^passes: only the resident compiler runs `passes`, and it is not built/);
      }
    });
  });

  describe('comes out of compileToIR', () => {
    const { load } = holdLoads({});

    test('as text and as bitcode, which can be loaded again', async () => {
      const text = await compileToIR({ name: 'vec', source: C, flags: ['-O1'] });
      expect(text).toMatch(/define .*i32 @add\(i32 .*%0, i32 .*%1\)/);
      const bytes = await compileToIR({ name: 'vec', source: C }, { format: 'bitcode' });
      expect(Buffer.from(bytes).toString('latin1', 0, 2)).toBe('BC');
      for (const ir of [text, bytes]) expect((await load({ ir })).func('int add(int, int)')(2, 3)).toBe(5);
    });

    test('from C++, headers, defines, and from IR itself', async () => {
      const source = '#include "n.h"\nextern "C" int n() { return N + M; }';
      const ir = await compileToIR({
        name: 'n',
        source,
        language: 'c++',
        headers: { 'n.h': '#define N 2' },
        defines: { M: 3 },
      });
      expect(ir).toContain('ret i32 5');
      const again = await compileToIR({
        name: 'n',
        ir: `${ADD}define i32 @f() {\n  %x = call i32 @add(i32 1, i32 2)\n  ret i32 %x\n}\n`,
      });
      expect(again).toMatch(/@f\(\)[^}]*ret i32 3/);
    });

    test('or fails as a load does', async () => {
      await expect(compileToIR({ name: 'bad', source: 'int x = y;' })).rejects.toMatchObject({
        code: 'ERR_COMPILE',
        diagnostics: [{ line: 1 }],
      });
      await expect(compileToIR({ name: 'bad', source: C, compiler: 'gcc' })).rejects.toThrow(ToolchainError);
      await expect(compileToIR({ name: 'bad', source: C }, { format: 'asm' as never })).rejects.toThrow(
        "Expected `format` to be 'text' or 'bitcode'",
      );
      await expect(compileToIR({ name: 'bad', source: C, watch: true } as never)).rejects.toThrow(
        '`watch` goes with a load, not with compileToIR',
      );
      await expect(compileToIR({ name: 'bad', object: 'x.o' } as never)).rejects.toThrow('`object` goes with a load');
      const abort = AbortSignal.abort(new Error('enough'));
      await expect(compileToIR({ name: 'bad', source: C, signal: abort })).rejects.toThrow('enough');
    });
  });
});

describe('gcc', () => {
  const { refusal } = holdLoads({ compiler: 'gcc' });

  test('takes no IR, and the error says what does', async () => {
    const error = await refusal({ name: 'vec', ir: ADD });
    expect(error).toBeInstanceOf(ToolchainError);
    expect(error.message).toMatch(/^vec: LLVM IR needs clang, and the compiler is gcc \(.*\); install clang/);
  });
});
