/**
 * Bundles `src/` into a folder: `node build.mjs [folder]`, by default `dist`. Declarations come from tsc.
 *
 * What every program needs is one piece, and what is imported when it is needed is a chunk beside it: node takes 0.25 ms
 * to find, read and link each file; as one for each module they were 17 of the 42 ms that `import 'fromsource'` took.
 * Nothing is minified: that saves less than 1 ms, and stack traces can be read as they are.
 *
 * The piece is a script, not a module, because V8 can be given the code of a script that was compiled before: that makes
 * a load which the cache answers 5 ms shorter, of which half are its own functions. `start-code.mjs` makes that code,
 * which fits one release of node; where there is none for it, V8 compiles as always.
 */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { rolldown } from 'rolldown';

const folder = resolve(process.argv[2] ?? 'dist');
const { dependencies, peerDependencies } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));

const bundle = await rolldown({
  cwd: import.meta.dirname,
  input: 'src/index.ts',
  platform: 'node',
  external: [/^node:/, ...Object.keys({ ...dependencies, ...peerDependencies })],
  // tsc's target: Node 20 has no `await using`.
  transform: { target: 'es2023' },
});
await bundle.write({
  dir: folder,
  // Flat: src/package-root.ts counts on it. Without hashes, so that a build replaces the files of the last.
  entryFileNames: '[name].js',
  chunkFileNames: '[name].js',
  // All that a start needs in one piece, also what chunks import from it.
  codeSplitting: { groups: [{ name: 'start', tags: ['$initial'] }] },
  sourcemap: true,
  // A quarter of the text, which is read at every start.
  comments: false,
});

/** Every line stays where it is, so that the source map holds. */
function toScript(module) {
  const names = [];
  const lines = module.split('\n').map((line) => {
    const [, imported, from] = /^import \{ (.*) \} from "(node:.*)";$/.exec(line) ?? [];
    if (imported !== undefined) return `const { ${imported.replaceAll(' as ', ': ')} } = require("${from}");`;
    const [, exported] = /^export \{ (.*) \};$/.exec(line) ?? [];
    if (exported === undefined) return line.replaceAll('import.meta.url', 'url').replaceAll('import(', 'importHere(');
    const pairs = exported.split(', ').map((each) => each.split(' as '));
    names.push(...pairs.map(([local, name = local]) => name));
    return `return { ${pairs.map(([local, name = local]) => `${name}: ${local}`).join(', ')} };`;
  });
  // Strict, as every module is. The last line stays the last: it names the source map.
  lines.splice(
    lines.findLastIndex((line) => line.startsWith('//# sourceMappingURL=')),
    0,
    '})',
  );
  // Of ASCII alone, since reading text of other letters takes 0.3 ms longer: V8 keeps it in twice the memory.
  const script = `(function (require, url, importHere) { 'use strict'; ${lines.join('\n')}`.replace(
    /[^\0-\x7f]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const left = /^(import|export) .*|\bimport[.(].*/m.exec(script);
  if (left !== null) throw new Error(`the start can't be made a script: ${left[0]}`);
  return { names, script };
}

const module = join(folder, 'start.js');
const { names, script } = toScript(readFileSync(module, 'utf8'));
const digest = createHash('sha256').update(script).digest('hex').slice(0, 16);
for (const name of readdirSync(folder)) if (/^start-.*\.code$/.test(name)) rmSync(join(folder, name));
writeFileSync(join(folder, 'start.script.js'), script);
// In place of the module, from which the chunks import. By getBuiltinModule, as each import of a builtin is 0.3 ms. The
// bundler's names for exports may be words such as `in`, which no variable can have.
writeFileSync(
  `${module}.new`,
  `const { createRequire } = process.getBuiltinModule('node:module');
const { readFileSync } = process.getBuiltinModule('node:fs');
const { Script } = process.getBuiltinModule('node:vm');
const filename = import.meta.dirname + '/start.script.js';
/** Named by the script, node's release, and the machine: V8 itself looks at no more than the length of a script. */
export const codeFile = \`\${import.meta.dirname}/start-${digest}-\${process.version}-\${process.arch}.code\`;
let cachedData;
try {
  // start-code.mjs writes it twice, to tell damage by.
  const twice = readFileSync(codeFile);
  const half = twice.subarray(0, twice.length / 2);
  if (half.length > 0 && half.equals(twice.subarray(half.length))) cachedData = half;
} catch {}
export const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData });
const run = script.runInThisContext();
const importHere = (name) => import(name);
const { ${names.map((name, index) => `${name}: _${index}`).join(', ')} } = run(createRequire(import.meta.url), import.meta.url, importHere);
export { ${names.map((name, index) => `_${index} as ${name}`).join(', ')} };
`,
);
renameSync(`${module}.new`, module);
