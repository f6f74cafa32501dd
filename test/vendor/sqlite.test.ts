import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SourceLibrary } from '../../src/index.ts';
import { Database } from '../../vendor-samples/sqlite.ts';
import { describeSamples } from './describe-samples.ts';

describeSamples(['sqlite'], (load) => {
  let sqlite: SourceLibrary;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fromsource-test-'));
    sqlite = await load('sqlite');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('says its version', () => {
    expect(sqlite.func('const char *sqlite3_libversion(void)')()).toBe('3.53.2');
  });

  test('creates a table, inserts rows and gives them back with their types', () => {
    using db = new Database(sqlite, ':memory:');
    db.all('CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT, weight REAL, note)');
    using insert = db.prepare('INSERT INTO thing (name, weight, note) VALUES (?, ?, ?)');
    insert.all('Stein', 2.5, null);
    insert.all('Größe 𝄞', -0.125, 9007199254740993n);
    insert.all('', 1, 'last');
    expect(db.all('SELECT * FROM thing ORDER BY id')).toEqual([
      { id: 1, name: 'Stein', weight: 2.5, note: null },
      { id: 2, name: 'Größe 𝄞', weight: -0.125, note: 9007199254740993n },
      { id: 3, name: '', weight: 1, note: 'last' },
    ]);
  });

  test('aggregates what JavaScript aggregates', () => {
    using db = new Database(sqlite, ':memory:');
    db.all('CREATE TABLE sample (bucket INTEGER, value INTEGER)');
    using insert = db.prepare('INSERT INTO sample VALUES (?, ?)');
    const rows = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer()), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(rows, (samples) => {
        db.all('DELETE FROM sample');
        for (const [bucket, value] of samples) insert.all(bucket, value);
        const buckets = [...new Set(samples.map(([bucket]) => bucket))].sort();
        const expected = buckets.map((bucket) => {
          const values = samples.filter(([each]) => each === bucket).map(([, value]) => value);
          const sum = values.reduce((a, b) => a + b, 0);
          return { bucket, n: values.length, sum, least: Math.min(...values), most: Math.max(...values) };
        });
        expect(
          db.all(`SELECT bucket, count(*) AS n, sum(value) AS sum, min(value) AS least, max(value) AS most
                  FROM sample GROUP BY bucket ORDER BY bucket`),
        ).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  test('runs a recursive query and window functions', () => {
    using db = new Database(sqlite, ':memory:');
    const rows = db.all(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
                         SELECT i, sum(i) OVER (ORDER BY i) AS total FROM n ORDER BY i DESC LIMIT 1`);
    expect(rows).toEqual([{ i: 1000, total: 500500 }]);
  });

  test('reports syntax errors and broken constraints in its own words, and goes on', () => {
    using db = new Database(sqlite, ':memory:');
    expect(() => db.all('SELEC 1')).toThrow('sqlite: near "SELEC": syntax error (1)');
    expect(() => db.all('SELECT * FROM missing')).toThrow('sqlite: no such table: missing (1)');
    db.all('CREATE TABLE once (id INTEGER PRIMARY KEY)');
    db.all('INSERT INTO once VALUES (7)');
    expect(() => db.all('INSERT INTO once VALUES (7)')).toThrow('sqlite: UNIQUE constraint failed: once.id (19)');
    expect(db.all('SELECT count(*) AS n FROM once')).toEqual([{ n: 1 }]);
    expect(() => new Database(sqlite, join(folder, 'no/such/folder.db'))).toThrow('unable to open database file');
  });

  test('rolls a transaction back', () => {
    using db = new Database(sqlite, ':memory:');
    db.all('CREATE TABLE t (x)');
    db.all('BEGIN');
    db.all('INSERT INTO t VALUES (1), (2)');
    db.all('ROLLBACK');
    expect(db.all('SELECT count(*) AS n FROM t')).toEqual([{ n: 0 }]);
  });

  test('keeps a database in a file, and finds it again', () => {
    const file = join(folder, 'kept.db');
    {
      using db = new Database(sqlite, file);
      db.all('CREATE TABLE kept (x)');
      db.all("INSERT INTO kept VALUES ('still here')");
    }
    using db = new Database(sqlite, file);
    expect(db.all('SELECT x FROM kept')).toEqual([{ x: 'still here' }]);
    expect(db.all('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
  });

  test('runs a script on a worker thread', async () => {
    const open = sqlite.func('int sqlite3_open(const char *filename, sqlite3 **db)');
    const close = sqlite.func('int sqlite3_close(sqlite3 *db)');
    const exec = sqlite.func('int sqlite3_exec(sqlite3 *db, const char *sql, void *callback, void *arg, char **error)');
    const changes = sqlite.func('int sqlite3_total_changes(sqlite3 *db)');
    const out = new BigUint64Array(1);
    expect(open(':memory:', out)).toBe(0);
    const db = out[0] as bigint;
    const script = `CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
                    INSERT INTO t SELECT i FROM n;`;
    expect(await exec.async(db, script, null, null, null)).toBe(0);
    expect(changes(db)).toBe(20000);
    expect(close(db)).toBe(0);
  });
});
