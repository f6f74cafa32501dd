/** SQLite's C API in the few words that the demo and the tests need. */

import type { SourceLibrary } from 'fromsource';

/** All that is needed of the library. */
type Functions = Pick<SourceLibrary, 'func'>;

/** A value of a row. Integers beyond 2^53 are bigint. */
export type SqlValue = string | number | bigint | null;

const OK = 0;
const ROW = 100;
const DONE = 101;
const INTEGER = 1;
const FLOAT = 2;
const NULL = 5;
/** The address that tells sqlite to copy a text before the call returns. */
const TRANSIENT = 0xffff_ffff_ffff_ffffn;

function bindings(library: Functions) {
  return {
    open: library.func('int sqlite3_open(const char *filename, sqlite3 **db)'),
    close: library.func('int sqlite3_close(sqlite3 *db)'),
    errmsg: library.func('const char *sqlite3_errmsg(sqlite3 *db)'),
    prepare: library.func(
      'int sqlite3_prepare_v2(sqlite3 *db, const char *sql, int bytes, sqlite3_stmt **statement, void *tail)',
    ),
    bindText: library.func(
      'int sqlite3_bind_text(sqlite3_stmt *s, int index, const char *text, int bytes, void *destructor)',
    ),
    bindInt64: library.func('int sqlite3_bind_int64(sqlite3_stmt *s, int index, int64_t value)'),
    bindDouble: library.func('int sqlite3_bind_double(sqlite3_stmt *s, int index, double value)'),
    bindNull: library.func('int sqlite3_bind_null(sqlite3_stmt *s, int index)'),
    step: library.func('int sqlite3_step(sqlite3_stmt *s)'),
    reset: library.func('int sqlite3_reset(sqlite3_stmt *s)'),
    finalize: library.func('int sqlite3_finalize(sqlite3_stmt *s)'),
    columnCount: library.func('int sqlite3_column_count(sqlite3_stmt *s)'),
    columnName: library.func('const char *sqlite3_column_name(sqlite3_stmt *s, int column)'),
    columnType: library.func('int sqlite3_column_type(sqlite3_stmt *s, int column)'),
    columnInt64: library.func('int64_t sqlite3_column_int64(sqlite3_stmt *s, int column)'),
    columnDouble: library.func('double sqlite3_column_double(sqlite3_stmt *s, int column)'),
    columnText: library.func('const char *sqlite3_column_text(sqlite3_stmt *s, int column)'),
  };
}

/** A compiled statement. Dispose it before its database. */
export class Statement implements Disposable {
  readonly #sqlite: ReturnType<typeof bindings>;
  readonly #statement: bigint;
  readonly #check: (code: number) => void;

  /** @internal Statements come from {@link Database.prepare}. */
  constructor(sqlite: ReturnType<typeof bindings>, statement: bigint, check: (code: number) => void) {
    this.#sqlite = sqlite;
    this.#statement = statement;
    this.#check = check;
  }

  /** Runs it with these parameters and gives its rows, by column name. Throws Error with sqlite's own message. */
  all(...parameters: readonly SqlValue[]): Record<string, SqlValue>[] {
    const { step, reset, columnCount, columnName } = this.#sqlite;
    const statement = this.#statement;
    parameters.forEach((value, index) => {
      this.#bind(index + 1, value);
    });
    const names = Array.from({ length: columnCount(statement) }, (_, column) => columnName(statement, column) ?? '');
    const rows: Record<string, SqlValue>[] = [];
    try {
      let code = step(statement);
      for (; code === ROW; code = step(statement)) {
        rows.push(Object.fromEntries(names.map((name, column) => [name, this.#column(column)])));
      }
      if (code !== DONE) this.#check(code);
    } finally {
      reset(statement);
    }
    return rows;
  }

  [Symbol.dispose](): void {
    this.#sqlite.finalize(this.#statement);
  }

  #bind(index: number, value: SqlValue): void {
    const { bindNull, bindText, bindInt64, bindDouble } = this.#sqlite;
    const statement = this.#statement;
    if (value === null) this.#check(bindNull(statement, index));
    else if (typeof value === 'string') this.#check(bindText(statement, index, value, -1, TRANSIENT));
    else if (typeof value === 'bigint' || Number.isSafeInteger(value)) this.#check(bindInt64(statement, index, value));
    else this.#check(bindDouble(statement, index, value));
  }

  #column(column: number): SqlValue {
    const { columnType, columnInt64, columnDouble, columnText } = this.#sqlite;
    switch (columnType(this.#statement, column)) {
      case NULL:
        return null;
      case INTEGER:
        return columnInt64(this.#statement, column);
      case FLOAT:
        return columnDouble(this.#statement, column);
      default:
        return columnText(this.#statement, column);
    }
  }
}

/** An open database. */
export class Database implements Disposable {
  readonly #sqlite: ReturnType<typeof bindings>;
  readonly #db: bigint;

  /** `filename` may be `:memory:`. Throws Error with sqlite's own message. */
  constructor(library: Functions, filename: string) {
    this.#sqlite = bindings(library);
    const out = new BigUint64Array(1);
    const code = this.#sqlite.open(filename, out);
    this.#db = out[0] ?? 0n;
    try {
      this.#check(code);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  prepare(sql: string): Statement {
    const out = new BigUint64Array(1);
    this.#check(this.#sqlite.prepare(this.#db, sql, -1, out, null));
    return new Statement(this.#sqlite, out[0] ?? 0n, (code) => this.#check(code));
  }

  /** Prepares, runs and finalizes in one. */
  all(sql: string, ...parameters: readonly SqlValue[]): Record<string, SqlValue>[] {
    using statement = this.prepare(sql);
    return statement.all(...parameters);
  }

  [Symbol.dispose](): void {
    this.#sqlite.close(this.#db);
  }

  #check(code: number): void {
    if (code !== OK) throw new Error(`sqlite: ${this.#sqlite.errmsg(this.#db)} (${code})`);
  }
}
