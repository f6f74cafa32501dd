import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { discoverToolchain } from '../../src/toolchain/discover.ts';
import { parseLoadedLibraries, readInterpreter } from '../../src/toolchain/loaded-libraries.ts';
import { toolFiles } from '../../src/toolchain/tool-files.ts';
import { installedToolchains } from '../compile/requests.ts';

const toolchains = await installedToolchains();
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fromsource-tools-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(toolchains)('toolFiles of $kind', (toolchain) => {
  it('names files once, and no run-time library', async () => {
    const files = await toolFiles(toolchain);
    expect(files).toContain(realpathSync(toolchain.path));
    expect(files.filter((file) => !existsSync(file))).toEqual([]);
    expect([...new Set(files)].sort()).toEqual(files);
    expect(files.filter((file) => /^(?:libc\.|libstdc\+\+|libgcc_s|libz|ld-linux)/.test(basename(file)))).toEqual([]);
    expect(files.length).toBeGreaterThan(1);
  });

  it('has what the compiler maps when it compiles', async () => {
    const files = new Set((await toolFiles(toolchain)).map((file) => basename(file)));
    const wanted =
      toolchain.kind === 'clang' ? [/^clang/, /^libLLVM|^clang/] : [/^cc1$/, /^cc1plus$/, /as$/, /^libmpfr/];
    for (const pattern of wanted)
      expect(
        [...files].some((file) => pattern.test(file)),
        `${pattern}`,
      ).toBe(true);
  });

  it('is found once', () => {
    expect(toolFiles(toolchain)).toBe(toolFiles(toolchain));
  });

  it('sees through a script that starts the compiler, and through a link', async () => {
    const script = join(folder, `${toolchain.kind}-script`);
    writeFileSync(script, `#!/bin/sh\nexec ${toolchain.path} "$@"\n`);
    chmodSync(script, 0o755);
    const link = join(folder, `${toolchain.kind}-link`);
    symlinkSync(script, link);
    const wrapped = await discoverToolchain({ library: 'test', compiler: link });
    const files = await toolFiles(wrapped);
    expect(files).toContain(realpathSync(script));
    const own = await toolFiles(toolchain);
    const links = toolchain.kind === 'clang' ? [toolchain.path] : [toolchain.path, realpathSync(toolchain.path)];
    const parts = own.filter((file) => !links.includes(file));
    for (const file of parts) expect(files).toContain(file);
  });

  it('rejects when the compiler is gone', async () => {
    const gone = join(folder, 'gone');
    await expect(toolFiles({ ...toolchain, path: gone })).rejects.toThrow('gone -print-prog-name=');
  });
});

test('the resident driver counts too', async () => {
  const clang = toolchains.find(({ kind }) => kind === 'clang');
  if (clang === undefined) return;
  const resident = join(folder, 'driver');
  writeFileSync(resident, 'not a program');
  expect(await toolFiles({ ...clang, resident })).toContain(realpathSync(resident));
});

describe('the dynamic linker', () => {
  it('is named by a program, and not by other files', () => {
    const node = readFileSync(process.execPath).subarray(0, 65536);
    expect(existsSync(readInterpreter(node) as string)).toBe(true);
    for (const length of [0, 4, 63, 100]) expect(readInterpreter(node.subarray(0, length))).toBeNull();
    expect(readInterpreter(Buffer.from(`#!/bin/sh\n${' '.repeat(100)}`))).toBeNull();
  });

  it('lists libraries with their paths', () => {
    const answer =
      '\tlinux-vdso.so.1 (0x00007ffe)\n\tlibz.so.1 => /lib/a b/libz.so.1 (0x00007f53301bd000)\n\t/lib64/ld.so (0x7f)\n';
    expect(parseLoadedLibraries(answer)).toEqual(['/lib/a b/libz.so.1', '/lib64/ld.so']);
    expect(() => parseLoadedLibraries('\tlibx.so => not found\n')).toThrow('the dynamic linker does not find libx.so');
  });
});

test('a compiler that is two links away is the file that they lead to, and the link, which may come to lead elsewhere', async () => {
  const clang = toolchains[0];
  if (clang === undefined) return;
  const real = realpathSync(clang.path);
  symlinkSync(real, join(folder, 'one'));
  symlinkSync('one', join(folder, 'two'));
  const files = await toolFiles({ ...clang, path: join(folder, 'two') });
  expect(files).toContain(real);
  expect(files).toContain(join(folder, 'two'));
});
