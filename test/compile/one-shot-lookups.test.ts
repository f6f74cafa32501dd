import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, normalize, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CompileRecord } from '../../src/compile/compiler.ts';
import { compileOneShot } from '../../src/compile/one-shot.ts';
import { recordOneShot } from '../../src/compile/one-shot-record.ts';
import { compileResident, endResidents } from '../../src/compile/resident.ts';
import { discoverToolchain } from '../../src/toolchain/discover.ts';
import { enterSandbox, type Sandbox } from './leftovers.ts';
import { isCovered, write } from './record-checks.ts';
import { installedToolchains, textRequest } from './requests.ts';

const toolchains = await installedToolchains();
let sandbox: Sandbox;
beforeAll(() => {
  sandbox = enterSandbox();
});
afterAll(() => {
  endResidents();
  sandbox.remove();
});

const resident = await discoverToolchain({ library: 'test' }).catch(() => null);
const noResident = resident === null || resident.resident === null;
if (noResident) console.warn('skipped: the resident compiler, whose record is the measure, is not built');

describe.skipIf(noResident)('compared with the resident driver, which sees each lookup', () => {
  test.each([
    ['c', '#include <stdio.h>\n#include <math.h>\n#include <limits.h>\n#include <tgmath.h>\n#include <unistd.h>\n'],
    ['c++', '#include <vector>\n#include <string>\n#include <unordered_map>\n#include <iostream>\n'],
    ['c', '#include "lib/a.h"\n#include <x.h>\n#if __has_include("maybe.h") || __has_include(<lib/maybe.h>)\n#endif\n'],
  ] as const)('%s %j', async (language, text) => {
    await write({
      'lib/a.h': '#include "sub/b.h"\n#include "../up.h"\n',
      'lib/sub/b.h': '#include "c.h"\n#include M\n',
      'inc/c.h': '',
      'inc/m.h': '',
      'up.h': '',
      '1/x.h': '#include_next <x.h>\n',
      '2/x.h': '',
    });
    const flags = ['-isystem', '2', '-Igone', '-iquote', 'inc', '-include', 'up.h', '-DM="m.h"'];
    const request = textRequest(text, { language, flags, includePaths: ['1'] });
    const toolchain = resident as NonNullable<typeof resident>;
    const startedAt = Date.now();
    const { dependencies } = await compileOneShot(toolchain, request);
    const found = await recordOneShot(toolchain, request, dependencies, startedAt);
    const seen = (await compileResident(toolchain, request))?.record as CompileRecord;
    expect(found.volatile).toEqual([]);
    const plain = new Map(seen.read.map((file) => [normalize(file.path), { ...file, path: normalize(file.path) }]));
    expect(found.read).toEqual([...plain.values()].sort((a, b) => (a.path < b.path ? -1 : 1)));
    // What clang looks for beside headers: its settings for Apple's systems, the main file by its own name, libraries.
    const isOther = (path: string) =>
      /\/(?:-|<stdin>|SDKSettings\.json|lib(?:x?32|64)|libc\+\+\.so)$|^\/etc\/|\/lib\/(?:linux\/)?x86_64[^/]*$/.test(
        path,
      ) || /\/lib\/gcc\/.*\/include\/c\+\+$/.test(path);
    expect(seen.absent.filter((path) => !isOther(path) && !isCovered(found, path))).toEqual([]);
    expect(seen.absent.length).toBeGreaterThan(10);
  });
});

const hasStrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;
if (!hasStrace) console.warn('skipped: strace does not work here');

describe.skipIf(!hasStrace).each(toolchains)('compared with what strace sees of $kind', (toolchain) => {
  test.each([
    ['c', '#include <stdio.h>\n#include <math.h>\n#include "lib/a.h"\n#include <x.h>\n'],
    ['c++', '#include "lib/a.h"\n#include <string>\n#include <iostream>\n#include <x.h>\n'],
  ] as const)('%s %j', async (language, text) => {
    await write({
      'lib/a.h': '#include "sub/b.h"\n#include "../up.h"\n#if __has_include("maybe.h")\n#endif\n',
      'lib/sub/b.h': '#include "c.h"\n#include M\n',
      'inc/c.h': '',
      'inc/m.h': '',
      'up.h': '',
      '1/x.h': '#include_next <x.h>\n',
      '2/x.h': '',
    });
    const flags = ['-isystem', '2', '-Igone', '-iquote', 'inc', '-include', 'limits.h', '-DM="m.h"'];
    const request = textRequest(text, { language, flags, includePaths: ['1'] });
    const startedAt = Date.now();
    const { dependencies } = await compileOneShot(toolchain, request);
    const found = await recordOneShot(toolchain, request, dependencies, startedAt);
    expect(found.volatile).toEqual([]);

    const trace = join(sandbox.temporary, 'trace');
    const command = [toolchain.path, ...flags, '-I1', '-x', language, '-c', '-', '-o', '/dev/null'];
    const calls = 'trace=open,openat,stat,newfstatat,access,readlink';
    execFileSync('strace', ['-f', '-e', calls, '-o', trace, ...command], { input: text });
    const lines = readFileSync(trace, 'utf8').matchAll(/^\d+ +\w+\((?:AT_FDCWD, )?"([^"]+)".*= -1 ENOENT/gm);
    const missed = [...lines].map(([, path]) => normalize(resolve(path as string)));
    // Not what the driver looks for to find its own parts, and the folders of the C++ library.
    const headers = missed.filter((path) => /(?:\.h|\.gch|\.pch|\/(?:string|iostream|[a-z_]+))$/.test(path));
    const isSearched = (path: string) =>
      path.startsWith(sandbox.cwd) || /^\/usr\/(?:local\/)?include\/(?!.*c\+\+\/\d+$)|\/include\/.*\.h$/.test(path);
    const seen = headers.filter((path) => isSearched(path) && !existsSync(path));
    expect(seen.length).toBeGreaterThan(20);
    expect(seen.filter((path) => !isCovered(found, path))).toEqual([]);
    rmSync(trace);
  });
});
