// Puts the real libraries of manifest.json into .cache, one folder per sample, each verified by its digest.
//
//   node vendor-samples/fetch.mjs            fetch what is missing
//   node vendor-samples/fetch.mjs --check    only say what is missing
//   node vendor-samples/fetch.mjs --online   also try again what failed lately
//   node vendor-samples/fetch.mjs --all      also those whose tests compile for minutes
//
// A sample that can't be had is skipped with its reason and the exit code stays 0: the demo and the tests do without.
// Nothing of these packages is run or built by a package manager, and nothing of them is committed.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = fileURLToPath(new URL('.cache/', import.meta.url));
const { samples } = JSON.parse(readFileSync(new URL('manifest.json', import.meta.url), 'utf8'));
const options = new Set(process.argv.slice(2));

/** How long a failure is remembered, in ms: a machine without network must not wait for it on every run. */
const patience = { npm: 10 * 60_000, debian: 10 * 60_000, 'debian-source': 10 * 60_000, git: 24 * 3600_000 };

/** What arrived is not what the manifest promises. Never remembered, so that it is said again on every run. */
class IntegrityError extends Error {}

/** Process groups that run now; ended when we are interrupted. */
const running = new Set();
/** Temporary folders of this run; removed whatever happens. */
const temporary = new Set();

const say = (line) => console.log(`samples: ${line}`);
const digestOf = (bytes, algorithm, encoding) => createHash(algorithm).update(bytes).digest(encoding);
const stampOf = (sample) => digestOf(JSON.stringify(sample), 'sha256', 'hex');
const folderOf = (sample) => join(cache, sample.name);
const targets = (sample) => Object.values(sample.files);

/** Where a sample is on this machine, or undefined. Must be cheap: it runs before every demo. */
function locate(sample) {
  const { installed } = sample.source;
  if (installed && targets(sample).every((file) => existsSync(join(installed, file)))) return installed;
  const folder = folderOf(sample);
  try {
    if (readFileSync(join(folder, '.stamp'), 'utf8') !== stampOf(sample)) return undefined;
  } catch {
    return undefined;
  }
  return targets(sample).every((file) => existsSync(join(folder, file))) ? folder : undefined;
}

/** git must ask nobody for a password. */
const env = { ...process.env, GIT_TERMINAL_PROMPT: '0' };

/** Runs a program in a process group of its own, ended after `seconds` or when we are interrupted. Gives what it prints. */
function run(program, args, { cwd, seconds = 120 }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env });
    const timer = setTimeout(() => endGroup(child.pid), seconds * 1000);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      if (stdout.length < 4096) stdout += text;
    });
    if (child.pid) running.add(child.pid);
    child.stderr.setEncoding('utf8').on('data', (text) => {
      if (stderr.length < 4096) stderr += text;
    });
    const settle = (error) => {
      clearTimeout(timer);
      running.delete(child.pid);
      if (error) reject(error);
      else resolve(stdout);
    };
    child.once('error', (error) =>
      settle(new Error(error.code === 'ENOENT' ? `${program} is not installed` : `${error}`)),
    );
    child.once('close', (code, signal) => {
      if (code === 0) return settle();
      // The first line that says something: package managers begin with warnings and codes.
      const lines = stderr.split('\n').map((line) => line.replace(/^(npm error|E:)\s*/, '').trim());
      const reason = lines.find((line) => line && !/^(npm warn|W:|code |syscall |errno |A complete log)/i.test(line));
      settle(new Error(`${program} ${args[0]}: ${signal ? `no end within ${seconds} s` : (reason ?? `exit ${code}`)}`));
    });
  });
}

function endGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

async function expect(path, algorithm, encoding, wanted) {
  const got = digestOf(await readFile(path), algorithm, encoding);
  if (got !== wanted) throw new IntegrityError(`${algorithm} is ${got}, the manifest says ${wanted}`);
}

const onlyFile = async (folder, ending) => {
  const name = (await readdir(folder)).find((entry) => entry.endsWith(ending));
  if (!name) throw new Error(`no ${ending} file arrived`);
  return join(folder, name);
};

/** Each way to get a sample: brings its files, verified, below `work` under the names the manifest has. */
const bring = {
  async npm({ package: name, version, integrity }, files, work) {
    // Two quick retries instead of npm's patient ones, which take minutes without a network.
    const quick = ['--fetch-retries=1', '--fetch-retry-mintimeout=500', '--fetch-timeout=30000'];
    const args = ['pack', `${name}@${version}`, '--ignore-scripts', '--no-audit', '--no-update-notifier', ...quick];
    await run('npm', args, { cwd: work });
    const tarball = await onlyFile(work, '.tgz');
    const [algorithm, digest] = integrity.split(/-(.*)/s);
    await expect(tarball, algorithm, 'base64', digest);
    await run('tar', ['-xzf', tarball, '--no-same-owner', '--', ...files], { cwd: work });
  },

  async debian({ package: name, version, sha256 }, _files, work) {
    await run('apt-get', ['download', '-qq', '-o', 'APT::Sandbox::User=', `${name}=${version}`], { cwd: work });
    const archive = await onlyFile(work, '.deb');
    const architecture = archive.match(/_([a-z0-9]+)\.deb$/)?.[1];
    if (!sha256[architecture]) throw new Error(`the manifest has no digest of ${name} for ${architecture}`);
    await expect(archive, 'sha256', 'hex', sha256[architecture]);
    await run('dpkg-deb', ['-x', archive, work], { cwd: work });
  },

  /** What upstream released, as Debian keeps it: beside the binary packages that are built of it. */
  async 'debian-source'({ package: name, archive, sha256 }, files, work) {
    const uris = await run('apt-get', ['download', '--print-uris', name], { cwd: work });
    const folder = /^'(.*)\/[^/]*'/m.exec(uris)?.[1];
    if (!folder) throw new Error(`apt knows no place of ${name}`);
    const helper = '/usr/lib/apt/apt-helper';
    await run(helper, ['-o', 'APT::Sandbox::User=', 'download-file', `${folder}/${archive}`, archive], { cwd: work });
    await expect(join(work, archive), 'sha256', 'hex', sha256);
    // It decompresses what tar needs a program for that may not be installed.
    const unpack = 'archive=$1; shift; "$0" cat-file "$archive" | tar -x --no-same-owner -- "$@"';
    await run('sh', ['-c', unpack, helper, archive, ...files], { cwd: work });
  },

  /** The commit's name is a digest of all that is in it, which git verifies; of the files only those that are wanted come. */
  async git({ repository, commit }, files, work) {
    const git = (args, seconds) => run('git', args, { cwd: work, seconds });
    await git(['init', '-q', '.']);
    await git(['config', 'gc.auto', '0']);
    await git(['remote', 'add', 'origin', repository]);
    // Enough where there is a network, bearable where packets vanish.
    await git(['ls-remote', '-q', 'origin', 'HEAD'], 5);
    await git(['sparse-checkout', 'set', '--no-cone', ...files.map((file) => `/${file}`)]);
    await git(['fetch', '-q', '--depth=1', '--filter=blob:none', 'origin', commit]);
    await git(['checkout', '-q', commit]);
  },
};

/** Fetches one sample and puts it in place with one rename, so that a reader sees all of it or nothing. */
async function fetchSample(sample) {
  const work = await mkdtemp(join(cache, `.tmp-${process.pid}-`));
  temporary.add(work);
  try {
    await bring[sample.source.kind](sample.source, Object.keys(sample.files), work);
    const ready = join(work, '.ready');
    for (const [from, to] of Object.entries(sample.files)) {
      await mkdir(dirname(join(ready, to)), { recursive: true });
      await rename(join(work, from), join(ready, to));
    }
    await writeFile(join(ready, '.stamp'), stampOf(sample));
    await rm(folderOf(sample), { recursive: true, force: true });
    await rename(ready, folderOf(sample)).catch((error) => {
      // Another run that fetched the same was quicker.
      if (!locate(sample)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
    temporary.delete(work);
  }
}

async function sizeOf(path) {
  const about = await stat(path);
  if (!about.isDirectory()) return about.size;
  const sizes = await Promise.all((await readdir(path)).map((entry) => sizeOf(join(path, entry))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

const from = ({ kind, package: name, version, archive, repository }) =>
  repository ?? `${kind} ${name} ${version ?? archive}`;

const failureFile = (sample) => join(cache, `.failed-${sample.name}.json`);

/** The failure that is recent enough not to try again, or undefined. */
function recentFailure(sample) {
  if (options.has('--online')) return undefined;
  try {
    const failure = JSON.parse(readFileSync(failureFile(sample), 'utf8'));
    const age = Date.now() - failure.at;
    return failure.stamp === stampOf(sample) && age >= 0 && age < patience[sample.source.kind] ? failure : undefined;
  } catch {
    return undefined;
  }
}

/** Fetches, and prints one line whatever comes of it. */
async function obtain(sample) {
  const title = `${sample.name} ${sample.version}`;
  try {
    await fetchSample(sample);
    await rm(failureFile(sample), { force: true });
    const bytes = await Promise.all(targets(sample).map((file) => sizeOf(join(folderOf(sample), file))));
    const megabytes = (bytes.reduce((sum, size) => sum + size, 0) / 1e6).toFixed(2);
    say(`${title}, ${megabytes} MB from ${from(sample.source)} (${sample.licence}): ${sample.about}`);
  } catch (error) {
    if (error instanceof IntegrityError) {
      console.error(`samples: !! ${title} REFUSED: what ${from(sample.source)} gave is not what manifest.json names`);
      console.error(`samples: !! ${error.message}`);
      return;
    }
    say(`${title} skipped: ${error.message}`);
    const failure = { at: Date.now(), stamp: stampOf(sample), reason: error.message };
    await writeFile(failureFile(sample), JSON.stringify(failure));
  }
}

/** Removes what a killed run left behind. */
async function sweep() {
  for (const entry of await readdir(cache)) {
    const pid = Number(/^\.tmp-(\d+)-/.exec(entry)?.[1]);
    if (!pid) continue;
    try {
      process.kill(pid, 0);
    } catch (error) {
      if (error.code === 'ESRCH') await rm(join(cache, entry), { recursive: true, force: true });
    }
  }
}

for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143 })) {
  process.on(signal, () => {
    for (const pid of running) endGroup(pid);
    for (const folder of temporary) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    process.exit(code);
  });
}

const unknown = [...options].find((option) => !['--check', '--online', '--all'].includes(option));
if (unknown) {
  console.error(`samples: unknown option ${unknown}; there are --check, --online and --all`);
  process.exit(2);
}
const missing = samples.filter((sample) => (!sample.isLong || options.has('--all')) && !locate(sample));
const here = samples.filter((sample) => !missing.includes(sample) && locate(sample)).map((sample) => sample.name);
if (options.has('--check')) {
  for (const sample of missing) say(`${sample.name} ${sample.version} is missing (${from(sample.source)})`);
  if (missing.length === 0) say('all here');
} else {
  if (here.length > 0) say(`${here.join(', ')}: here`);
  const wanted = [];
  for (const sample of missing) {
    const failure = recentFailure(sample);
    if (failure) say(`${sample.name} ${sample.version} skipped: ${failure.reason} (to try again: fetch.mjs --online)`);
    else wanted.push(sample);
  }
  if (wanted.length > 0) {
    say(`fetching ${wanted.map((sample) => sample.name).join(', ')} …`);
    await mkdir(cache, { recursive: true });
    await sweep();
    await Promise.all(wanted.map(obtain));
  }
}
