import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, normalize, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeFlags } from '../../src/compile/flags.ts';
import { compileOneShot } from '../../src/compile/one-shot.ts';
import { compileResident, endResidents } from '../../src/compile/resident.ts';
import { textRequest } from '../compile/requests.ts';
import { CLANG, commandFor, DRIVER, DriverClient, whyNoDriver } from './client.ts';

const missing = whyNoDriver();
if (missing !== null) console.warn(`skipped: ${missing}`);
const hasStrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;
if (!hasStrace) console.warn('skipped: strace does not work here');

describe.skipIf(missing !== null)('the record of a compile', () => {
  let client: DriverClient;
  let folder: string;
  const file = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fromsource-driver-'));
    for (const name of ['inc', 'inc/sub', 'late']) mkdirSync(join(folder, name));
    client = await DriverClient.start();
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  const TEXT =
    '#include "near.h"\n#include <far.h>\n#if __has_include("maybe.h")\n#endif\n#if __has_include("there.h")\n#endif\n' +
    '#if __has_embed("data.bin")\nconst char d[] = {\n#embed "data.bin"\n};\n#endif\n#include <stdio.h>\n#include <limits.h>\n';
  const flags = () => [
    '-O2',
    '-std=c23',
    `-I${folder}/gone`,
    `-I${folder}/inc`,
    `-isystem${folder}/late`,
    '-include',
    'forced.h',
  ];
  const prepare = () => {
    file('near.h', '#include "inc/sub/deep.h"\n');
    file('inc/far.h', '#include_next <far.h>\n');
    file('late/far.h', '\n');
    file('inc/sub/deep.h', '#include "sibling.h"\n');
    file('inc/sub/sibling.h', '\n');
    file('there.h', 'int there;\n');
    file('data.bin', 'abc');
    file('forced.h', 'int forced;\n');
  };

  it('has every file with its digest, also what was only looked for, and what was not there', async () => {
    prepare();
    const { message, stderr } = await client.compile({ text: TEXT, folder, flags: flags() });
    expect(stderr).toBe('');
    const own = message.read
      .filter(({ path }) => path.startsWith(folder))
      .map(({ path }) => path.slice(folder.length + 1));
    expect(own.map(normalize).sort()).toEqual(
      [
        'data.bin',
        'forced.h',
        'inc/far.h',
        'inc/sub/deep.h',
        'inc/sub/sibling.h',
        'late/far.h',
        'near.h',
        'there.h',
      ].sort(),
    );
    for (const { path, digest, size } of message.read) {
      expect(digest, path).toBe(sha256(path));
      expect(size).toBe(readFileSync(path).length);
    }
    const absent = message.absent
      .filter((path) => path.startsWith(folder))
      .map((path) => path.slice(folder.length + 1));
    for (const path of [
      'gone',
      'maybe.h',
      'inc/maybe.h',
      'late/maybe.h',
      'inc/stdio.h',
      'late/stdio.h',
      'forced.h.pch',
      'forced.h.gch',
    ])
      expect(absent).toContain(path);
    for (const path of [...message.absent, ...message.read.map((each) => each.path)]) expect(path).toMatch(/^\//);
  });

  it('has what was a folder, of which no compile takes anything but a file', async () => {
    prepare();
    mkdirSync(join(folder, 'inc/late.h'));
    file('late/late.h', '');
    const { message } = await client.compile({ text: '#include <late.h>\n', folder, flags: flags() });
    expect(message.absent).toContain(join(folder, 'inc/late.h/'));
    expect(message.absent).not.toContain(join(folder, 'inc/late.h'));
  });

  it('has new digests after an edit within the same second', async () => {
    prepare();
    for (let round = 0; round < 10; round += 1) {
      file('near.h', `// ${round}\n`);
      const { message } = await client.compile({ text: TEXT, folder, flags: flags() });
      const near = message.read.find(({ path }) => path === join(folder, 'near.h'));
      expect(near?.digest).toBe(sha256(join(folder, 'near.h')));
    }
  });

  it('is there for a compile that fails', async () => {
    const { message } = await client.compile({ text: '#include "nowhere.h"\n', folder });
    expect(message.status).toBe('failed');
    expect(message.absent).toContain(join(folder, 'nowhere.h'));
    expect(message.absent).toContain('/usr/include/nowhere.h');
  });

  it.each([
    ['failed', '-fprofile-use=a.data'],
    ['failed', '-fprofile-instr-use=a.data'],
    ['unsupported', '-fsanitize-ignorelist=a.data', '-fsanitize=undefined', '-fsanitize-trap=undefined'],
    ['unsupported', '-fsanitize-coverage-allowlist=a.data', '-fsanitize-coverage=trace-pc-guard'],
    ['unsupported', '-fsanitize-coverage-ignorelist=a.data', '-fsanitize-coverage=trace-pc-guard'],
    ['unsupported', '-fxray-always-instrument=a.data', '-fxray-instrument'],
    ['unsupported', '-fxray-never-instrument=a.data', '-fxray-instrument'],
    ['unsupported', '-fxray-attr-list=a.data', '-fxray-instrument'],
    ['unsupported', '-fbasic-block-sections=list=a.data'],
    ['unsupported', '-frandomize-layout-seed-file=a.data'],
  ])('is not claimed, but %s, for %s, a file that is read past it', async (status, ...flags) => {
    expect(judgeFlags(flags)).toEqual([]);
    for (const content of ['[', '', 'src:/none\n']) {
      file('a.data', content);
      const { message } = await client.compile({ text: 'int x;\n', folder, flags: ['-O2', ...flags] });
      // What is no list at all may fail; but not any more when it is one.
      expect(content === '[' && message.status === 'failed' ? status : message.status).toBe(status);
      if (message.status === 'unsupported') expect(message.reason).toBe('it reads files that are not recorded');
    }
  });

  it('comes with what a resident compiler gives back, and with nothing of another', async () => {
    file('data.bin', 'abc');
    const text = `__asm__(".incbin \\"${folder}/data.bin\\"");\n#if __has_include("/none/at/all.h")\n#endif\nint x;\n`;
    const request = textRequest(text, {});
    const version = /LLVM ([\d.]+)/.exec(execFileSync(DRIVER, ['--version']).toString())?.[1] ?? '';
    const toolchain = { ...CLANG, version, resident: DRIVER };
    try {
      const path = join(folder, 'data.bin');
      const result = await compileResident(toolchain, request);
      expect(result?.record?.read).toEqual([{ path, size: 3, digest: sha256(path) }]);
      expect(result?.record?.absent).toContain('/none/at');
      expect(result?.record?.volatile).toEqual([]);
      expect(result?.dependencies).toEqual([path]);
      const dated = await compileResident(toolchain, textRequest('const char *x = __TIME__;\n', {}));
      expect(dated?.record?.volatile).toEqual(['__TIME__']);
    } finally {
      endResidents();
    }
    expect((await compileOneShot(toolchain, request)).record).toBe(null);
  });

  it.skipIf(!hasStrace)('agrees with what strace sees of clang', async () => {
    prepare();
    const trace = join(folder, 'trace');
    const command = commandFor(flags(), 'c', folder);
    execFileSync('strace', ['-f', '-e', 'trace=open,openat,stat,newfstatat,access,readlink', '-o', trace, ...command], {
      cwd: folder,
      input: TEXT,
      maxBuffer: 2 ** 28,
    });
    const { message } = await client.compile({ text: TEXT, folder, flags: flags() });
    const absent = new Set(message.absent.map((path) => normalize(path)));
    const read = new Set(message.read.map(({ path }) => normalize(path)));
    const calls = [...readFileSync(trace, 'utf8').matchAll(/^\d+ +(\w+)\((?:AT_FDCWD, )?"([^"]+)".*= (-?\d+)/gm)];
    const isHeader = (path: string) =>
      path.startsWith(folder) || /^\/usr\/(local\/)?include|\/clang\/22\/include/.test(path);
    const seen = calls.map(([, call, name, result]) => ({
      call,
      path: resolve(folder, name ?? ''),
      failed: Number(result) < 0,
    }));
    const headers = seen.filter(({ path }) => isHeader(path) && /\.h|\.bin|include\/$/.test(path) && path !== trace);
    expect(headers.length).toBeGreaterThan(50);
    const unseen = headers.filter(({ path, failed }) => !(failed ? absent : read).has(normalize(path)));
    // The C++ library's folder is looked for by the driver, not by the compile.
    expect(unseen.filter(({ path }) => !path.includes('/c++')).map(({ path }) => path)).toEqual([]);
  });
});
