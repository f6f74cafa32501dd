import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const source = fileURLToPath(new URL('../src/', import.meta.url));
const STAGES = ['toolchain', 'compile', 'objects', 'libraries', 'cache', 'loader', 'bindings', 'reload'];

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isType: boolean;
}

const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const imports: Import[] = files.flatMap((file) => {
  const text = readFileSync(join(source, file), 'utf8');
  return [...text.matchAll(/(?:import|export) (type )?[^;]*?from '([^']+)'|import\('([^']+)'\)/g)].map((match) => {
    const target = (match[2] ?? match[3]) as string;
    const to = target.startsWith('.') ? relative(source, join(source, dirname(file), target)) : target;
    return { from: file, to, isType: match[1] !== undefined };
  });
});
const stageOf = (path: string): string | undefined => STAGES.find((stage) => path.startsWith(`${stage}/`));
const show = ({ from, to }: Import): string => `${from} → ${to}`;

describe('imports point one way', () => {
  test('they are found at all', () => {
    expect(imports.map(show)).toContain('index.ts → load-source-library.ts');
    expect(imports.map(show)).toContain('library.ts → reload/watch.ts');
  });

  test('stage folders never import each other, but for types', () => {
    const wrong = imports.filter(
      ({ from, to, isType }) => !isType && stageOf(from) && stageOf(to) && stageOf(from) !== stageOf(to),
    );
    expect(wrong.map(show)).toEqual([]);
  });

  test('nothing that a stage stands on imports a stage or the path', () => {
    const base = [
      'errors',
      'options',
      'checks',
      'cpu',
      'inputs',
      'input-files',
      'llvm-module',
      'elf',
      'file-identity',
      'near-names',
      'import-policy',
      'lazy-option',
      'koffi',
      'linking',
      'children',
      'package-root',
      'private-folder',
      'process-identity',
      'run-process',
      'setup-command',
      'sha256',
      'turns',
    ].map((name) => `${name}.ts`);
    const wrong = imports.filter(
      ({ from, to, isType }) => base.includes(from) && !isType && !base.includes(to) && to.endsWith('.ts'),
    );
    expect(wrong.map(show)).toEqual([]);
    const upward = imports.filter(
      ({ from, to }) => stageOf(from) && /^(index|load-source-library|library|registry)\.ts$/.test(to),
    );
    expect(upward.map(show)).toEqual([]);
  });

  test('only index.ts imports the path, and only the path composes the stages', () => {
    expect(imports.filter(({ to }) => to === 'load-source-library.ts').map(show)).toEqual([
      'index.ts → load-source-library.ts',
    ]);
    expect(imports.filter(({ to }) => to === 'index.ts').map(show)).toEqual([]);
  });

  test.each([
    ['koffi', /^koffi\.ts$/],
    ['node:child_process', /^(compile|toolchain)\/|^run-process\.ts$/],
    ['chokidar', /^reload\//],
  ])('%s is imported where it belongs', (module, allowed) => {
    const importers = imports.filter(({ to }) => to === module).map(({ from }) => from);
    expect(importers.length).toBeGreaterThan(0);
    expect(importers.filter((from) => !allowed.test(from))).toEqual([]);
  });
});
