import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ToolchainError } from '../../src/errors.ts';
import { adviceFor } from '../../src/toolchain/advice.ts';
import { discoverToolchain } from '../../src/toolchain/discover.ts';
import { descriptors, enterSandbox, expectNothingLeft } from '../compile/leftovers.ts';

const CLANG = 'Debian clang version 19.1.7 (3)\nTarget: aarch64-unknown-linux-gnu\nThread model: posix\n';
const GCC = 'cc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright (C) 2022 Free Software Foundation, Inc.\n';

let root: string;
const environment = { PATH: process.env.PATH, FROMSOURCE_COMPILER: process.env.FROMSOURCE_COMPILER };
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'fromsource-test-'));
  delete process.env.FROMSOURCE_COMPILER;
  process.env.FROMSOURCE_CLANG_DRIVER = join(root, 'no-driver');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
afterEach(() => {
  process.env.PATH = environment.PATH;
  delete process.env.FROMSOURCE_COMPILER;
});

/** A folder of programs that print; each appends a line to `starts` when it runs. */
function folder(name: string, programs: Readonly<Record<string, string>>): string {
  const path = join(root, name);
  mkdirSync(path);
  for (const [program, text] of Object.entries(programs)) {
    writeFileSync(join(path, `${program}.txt`), text);
    const body = `echo "$1" >> ${path}/starts\nif [ "$1" = -dumpmachine ]; then echo x86_64-linux-gnu; else /bin/cat ${path}/${program}.txt; fi`;
    writeFileSync(join(path, program), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }
  return path;
}
const starts = (path: string) => readFileSync(join(path, 'starts'), 'utf8').trim().split('\n');
const failure = async (query: Parameters<typeof discoverToolchain>[0]): Promise<ToolchainError> => {
  const outcome = await discoverToolchain(query).catch((error: unknown) => error);
  expect(outcome).toBeInstanceOf(ToolchainError);
  return outcome as ToolchainError;
};

describe('discoverToolchain', () => {
  it('knows a compiler by what it says, not by its name', async () => {
    const path = folder('names', { cc: GCC, gcc: CLANG });
    expect(await discoverToolchain({ library: 'vec', compiler: join(path, 'cc') })).toEqual({
      kind: 'gcc',
      resident: null,
      path: join(path, 'cc'),
      version: '12.2.0',
      major: 12,
      target: 'x86_64-linux-gnu',
    });
    expect(await discoverToolchain({ library: 'vec', compiler: join(path, 'gcc') })).toEqual({
      kind: 'clang',
      resident: null,
      path: join(path, 'gcc'),
      version: '19.1.7',
      major: 19,
      target: 'aarch64-unknown-linux-gnu',
    });
  });

  it('prefers clang-22, clang, the highest clang-NN, gcc, cc, wherever on PATH they are', async () => {
    const first = folder('first', { cc: GCC, gcc: GCC, 'clang-9': CLANG, 'clang-format-22': 'x', 'clang-x': 'x' });
    const second = folder('second', { 'clang-19': CLANG, clang: CLANG, 'clang-22': CLANG });
    process.env.PATH = ['', 'relative', first, join(root, 'nowhere'), second].join(delimiter);
    for (const name of ['clang-22', 'clang', 'clang-19', 'clang-9', 'gcc', 'cc']) {
      const { path } = await discoverToolchain({ library: 'vec' });
      expect(path).toBe(join(['clang-22', 'clang', 'clang-19'].includes(name) ? second : first, name));
      rmSync(path);
    }
    const error = await failure({ library: 'vec' });
    expect(error.message).toMatch(
      /^vec: no C compiler was found\. Looked for clang-22, clang, clang-NN, gcc and cc in PATH \(.*first, .*second\)\. Install/,
    );
    expect(error.searched).toContain(join(second, 'clang-22'));
    expect(error).toMatchObject({ code: 'ERR_TOOLCHAIN_NOT_FOUND', library: 'vec' });
  });

  it('passes over what can not be used, and says so when nothing is left', async () => {
    const path = folder('odd', { 'clang-22': 'no compiler\n', gcc: GCC });
    process.env.PATH = path;
    expect((await discoverToolchain({ library: 'vec' })).path).toBe(join(path, 'gcc'));
    rmSync(join(path, 'gcc'));
    expect((await failure({ library: 'vec' })).message).toContain(
      `Found, but can't be used: ${path}/clang-22: it is neither clang nor gcc: ${path}/clang-22 --version printed "no compiler\\n".`,
    );
  });

  it('takes the option, else FROMSOURCE_COMPILER, else searches; by absolute path, relative path or name', async () => {
    const path = folder('asked', { mine: CLANG, 'clang-22': CLANG, other: GCC });
    process.env.PATH = path;
    process.env.FROMSOURCE_COMPILER = 'other';
    expect((await discoverToolchain({ library: 'vec' })).path).toBe(join(path, 'other'));
    expect((await discoverToolchain({ library: 'vec', compiler: 'mine' })).path).toBe(join(path, 'mine'));
    const near = `./${relative(process.cwd(), join(path, 'mine'))}`;
    expect((await discoverToolchain({ library: 'vec', compiler: near })).path).toBe(join(path, 'mine'));
  });

  it('starts a compiler once, also for concurrent calls, and again when the file has changed', async () => {
    const path = folder('memo', { cc: CLANG });
    const query = { library: 'vec', compiler: join(path, 'cc') };
    const all = await Promise.all(Array.from({ length: 64 }, () => discoverToolchain(query)));
    expect(new Set(all).size).toBe(1);
    await discoverToolchain(query);
    expect(starts(path)).toEqual(['--version']);
    utimesSync(query.compiler, 1, 1);
    await discoverToolchain(query);
    expect(starts(path)).toEqual(['--version', '--version']);
  });

  it('tries again what failed', async () => {
    const path = folder('again', { cc: 'junk\n' });
    const query = { library: 'vec', compiler: join(path, 'cc') };
    await failure(query);
    writeFileSync(join(path, 'cc.txt'), CLANG);
    expect((await discoverToolchain(query)).kind).toBe('clang');
  });

  it.each([
    ['a path that is not there', 'nowhere/cc', /was not found in .*nowhere\/cc\. Install/],
    [
      'a name that is not on PATH',
      'no-such-cc',
      /asks for the compiler no-such-cc, which can't be used\. no-such-cc was not found in /,
    ],
    ['a folder', '.', /./],
    ['an empty name', '', /must name a compiler, got ""/],
    ['a name with NUL', 'c\0c', /must name a compiler/],
  ])('refuses %s', async (_, compiler, message) => {
    process.env.PATH = folder(`bin${Math.random()}`, {});
    expect((await failure({ library: 'vec', compiler })).message).toMatch(message);
  });

  it('refuses files that are not executable, not programs, or fail', async () => {
    const path = folder('broken', { plain: CLANG, failing: '' });
    chmodSync(join(path, 'plain'), 0o644);
    writeFileSync(join(path, 'failing'), '#!/bin/sh\necho broken >&2; exit 3\n', { mode: 0o755 });
    writeFileSync(join(path, 'data'), '\x7fELF', { mode: 0o755 });
    symlinkSync('loop', join(path, 'loop'));
    const message = async (name: string) => (await failure({ library: 'vec', compiler: join(path, name) })).message;
    expect(await message('plain')).toContain('plain: it is not executable');
    expect(await message('failing')).toContain('failing: --version failed with exit code 3: broken');
    expect(await message('data')).toContain('data: --version failed with exit code ');
    expect(await message('loop')).toContain('ELOOP');
  });

  it('gives up on one that hangs, with its children, and on one that prints for ever', async () => {
    const sandbox = enterSandbox();
    const before = descriptors();
    const path = folder('endless', { hanging: '', flooding: '' });
    writeFileSync(join(path, 'hanging'), "#!/bin/sh\ntrap '' TERM\nsleep 1000 &\nsleep 1000\n", { mode: 0o755 });
    writeFileSync(join(path, 'flooding'), '#!/bin/sh\nexec cat /dev/zero\n', { mode: 0o755 });
    const flooding = await failure({ library: 'vec', compiler: join(path, 'flooding') });
    expect(flooding.message).toContain('with more than 64 KiB');
    const hanging = await failure({ library: 'vec', compiler: join(path, 'hanging') });
    expect(hanging.message).toContain('it did not answer --version within 10 s');
    await expectNothingLeft(sandbox, before);
    sandbox.remove();
  });
});

describe('adviceFor', () => {
  it.each([
    ['linux', 'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n', 'Install one with: sudo apt-get install -y clang'],
    ['linux', 'ID=pop\nID_LIKE="ubuntu debian"\n', 'Install one with: sudo apt-get install -y clang'],
    ['linux', 'ID=fedora\n', 'Install one with: sudo dnf install -y clang'],
    ['linux', 'ID="rocky"\nID_LIKE="rhel centos fedora"\n', 'Install one with: sudo dnf install -y clang'],
    ['linux', 'ID=arch\n', 'Install one with: sudo pacman -S --needed clang'],
    ['linux', 'ID=alpine\n', 'Install one with: sudo apk add clang musl-dev'],
    ['linux', 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', 'Install one with: sudo zypper install -y clang'],
    ['darwin', '', 'Install one with: xcode-select --install'],
    [
      'linux',
      'ID=constructor\n',
      'Install clang (or gcc) with the package manager of this system, or name one with the option `compiler`.',
    ],
    [
      'freebsd',
      '',
      'Install clang (or gcc) with the package manager of this system, or name one with the option `compiler`.',
    ],
  ] as const)('on %s with %j says %j', (platform, osRelease, advice) => {
    expect(adviceFor(platform, osRelease)).toBe(advice);
  });
});
