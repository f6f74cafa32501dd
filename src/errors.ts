/**
 * Every error this package throws. Each has a stable `code`, the `library` it concerns, and the failure as
 * data; the message says what happened, why, and what to do.
 */

/** How serious a {@link Diagnostic} is. `fatal` means that the compiler stopped at it. */
export type Severity = 'note' | 'remark' | 'warning' | 'error' | 'fatal';

/** A place in a source, in the names the caller gave. */
export interface SourceLocation {
  /** The caller's name: `<name>.c` for a source string, a key of `headers`, or a path. */
  readonly file: string;
  /** 1-based; 0 when the compiler gave no line. */
  readonly line: number;
  /** 1-based, in UTF-16 code units of the line; 0 when the compiler gave no column. */
  readonly column: number;
  /** 1-based line on which the marked range ends. */
  readonly endLine: number;
  /** 1-based column just past the marked range. */
  readonly endColumn: number;
}

/** One message of the compiler, as data. */
export interface Diagnostic extends SourceLocation {
  readonly severity: Severity;
  /** The message's text, without location or flag. */
  readonly message: string;
  /** The warning flag that controls it, such as `-Wunused-variable`, where the compiler names one. */
  readonly flag?: string;
  /** Notes that belong to this message, such as macro expansions and earlier declarations. */
  readonly notes: readonly Diagnostic[];
}

/** The base of every error of this package: catch this to catch them all. */
export class SourceLibraryError extends Error {
  override readonly name: string = 'SourceLibraryError';
  /** A stable identifier, such as `ERR_COMPILE`. */
  readonly code: string;
  /** The `name` of the library, or an empty string where no library is concerned. */
  readonly library: string;

  constructor(code: string, library: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.library = library;
  }
}

/** `ERR_TOOLCHAIN_NOT_FOUND`: no usable compiler. The message names what was looked for, where, and the cure. */
export class ToolchainError extends SourceLibraryError {
  override readonly name = 'ToolchainError';
  /** The paths and names that were tried, in order. */
  readonly searched: readonly string[];

  constructor(library: string, message: string, searched: readonly string[], options?: ErrorOptions) {
    super('ERR_TOOLCHAIN_NOT_FOUND', library, message, options);
    this.searched = searched;
  }
}

/** What a {@link CompileError} carries beside its message. */
export interface CompileFailure {
  /** What the compiler said, in its order, warnings too; of `files`, that of all files. */
  readonly diagnostics: readonly Diagnostic[];
  /** The command that ran: program and arguments. */
  readonly command: readonly string[];
  /** The compiler's exit code, or null when a signal ended it. */
  readonly exitCode: number | null;
  /** The signal that ended the compiler, such as `SIGSEGV`, or null. */
  readonly signal: NodeJS.Signals | null;
  /** What the compiler wrote to stderr beside the diagnostics, cut to 64 KiB. */
  readonly stderr: string;
}

/** `ERR_COMPILE`: the compiler refused the source, crashed, or a flag was refused. */
export class CompileError extends SourceLibraryError implements CompileFailure {
  override readonly name = 'CompileError';
  readonly diagnostics: readonly Diagnostic[];
  readonly command: readonly string[];
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;

  constructor(library: string, message: string, failure: CompileFailure, options?: ErrorOptions) {
    super('ERR_COMPILE', library, message, options);
    this.diagnostics = failure.diagnostics;
    this.command = failure.command;
    this.exitCode = failure.exitCode;
    this.signal = failure.signal;
    this.stderr = failure.stderr;
  }
}

/** Which bound a compile went over. */
export type CompileLimit = 'timeout' | 'maxOutputBytes' | 'maxMemoryBytes';

/** `ERR_COMPILE_LIMIT`: a compile went over `timeout`, `maxOutputBytes` or `maxMemoryBytes` and was ended. */
export class CompileLimitError extends SourceLibraryError {
  override readonly name = 'CompileLimitError';
  /** The option that holds the limit. */
  readonly limit: CompileLimit;
  /** Its value: milliseconds for `timeout`, bytes for the others. */
  readonly value: number;

  constructor(library: string, message: string, limit: CompileLimit, value: number) {
    super('ERR_COMPILE_LIMIT', library, message);
    this.limit = limit;
    this.value = value;
  }
}

/** `ERR_LINK`: the object can't be linked; `missingSymbols` lists what nothing defines, `deniedSymbols` what it may not use. */
export class LinkError extends SourceLibraryError {
  override readonly name = 'LinkError';
  /** The names that no definition was found for, sorted; empty when the reason is another one. */
  readonly missingSymbols: readonly string[];
  /** The names that the option `imports` does not allow, sorted. */
  readonly deniedSymbols: readonly string[];

  constructor(
    library: string,
    message: string,
    missingSymbols: readonly string[],
    options: ErrorOptions & { readonly deniedSymbols?: readonly string[] } = {},
  ) {
    super('ERR_LINK', library, message, options);
    this.missingSymbols = missingSymbols;
    this.deniedSymbols = options.deniedSymbols ?? [];
  }
}

/** `ERR_SYMBOL_NOT_FOUND`: the library has no such symbol; `nearNames` are the closest that it has. */
export class SymbolNotFoundError extends SourceLibraryError {
  override readonly name = 'SymbolNotFoundError';
  /** The name that was asked for. */
  readonly symbol: string;
  /** Exported names that are spelled much alike, the nearest first; empty when there are none. */
  readonly nearNames: readonly string[];

  constructor(library: string, message: string, symbol: string, nearNames: readonly string[]) {
    super('ERR_SYMBOL_NOT_FOUND', library, message);
    this.symbol = symbol;
    this.nearNames = nearNames;
  }
}

/** `ERR_UNSUPPORTED_TYPE`: a prototype can't be read, or uses a type that can't be called from JavaScript. */
export class BindingError extends SourceLibraryError {
  override readonly name = 'BindingError';
  /** The function's name, or an empty string when not even that could be read. */
  readonly function: string;
  /** The parameter's name or position, or null for the result or the whole prototype. */
  readonly parameter: string | null;
  /** The type as it was written. */
  readonly type: string;

  constructor(library: string, message: string, where: { function: string; parameter: string | null; type: string }) {
    super('ERR_UNSUPPORTED_TYPE', library, message);
    this.function = where.function;
    this.parameter = where.parameter;
    this.type = where.type;
  }
}

/**
 * `ERR_NATIVE`: a C++ exception left a function that was called from JavaScript. The destructors on its way have run,
 * and the library can be called again.
 */
export class NativeError extends SourceLibraryError {
  override readonly name = 'NativeError';
  /** The C++ type of what was thrown, such as `std::out_of_range` or `int`. */
  readonly type: string;
  /** What a `std::exception` says of itself; null of what is none. */
  readonly what: string | null;
  /** The name of the function that was called. */
  readonly function: string;

  constructor(library: string, name: string, type: string, what: string | null) {
    const thrown = what === null ? type : `${type}: ${what}`;
    super('ERR_NATIVE', library, `${library}: ${name} threw ${thrown}`);
    this.type = type;
    this.what = what;
    this.function = name;
  }
}

/** `ERR_RELOAD_REFUSED`: the new code can't replace the old; the old generation stays live. */
export class ReloadError extends SourceLibraryError {
  override readonly name = 'ReloadError';
  /** One for each function that the new code can't take over. */
  readonly reasons: readonly string[];

  constructor(library: string, message: string, reasons: readonly string[], options?: ErrorOptions) {
    super('ERR_RELOAD_REFUSED', library, message, options);
    this.reasons = reasons;
  }
}

/** `ERR_NAME_CONFLICT`: a library of this name exists with another spec; `differences` names what differs. */
export class NameConflictError extends SourceLibraryError {
  override readonly name = 'NameConflictError';
  /** The options whose values differ. */
  readonly differences: readonly string[];

  constructor(library: string, message: string, differences: readonly string[]) {
    super('ERR_NAME_CONFLICT', library, message);
    this.differences = differences;
  }
}

/**
 * What is wrong with a sealed library. `unreadable`: the file is not there, or can't be read; `damaged`: it is not what was
 * written, or was never one; `format`: another release of this package wrote it; `target`: it is for another system;
 * `cpu`: it needs what this processor lacks; `unwritable`: it can't be written.
 */
export type SealedFault = 'unreadable' | 'damaged' | 'format' | 'target' | 'cpu' | 'unwritable';

/** `ERR_SEALED`: a sealed library can't be used here, and nothing of it was loaded; or one can't be written. */
export class SealedLibraryError extends SourceLibraryError {
  override readonly name = 'SealedLibraryError';
  /** What is wrong, for a program to decide by. */
  readonly reason: SealedFault;
  /** Where the reason is `cpu`, what the processor lacks, by the names of /proc/cpuinfo or of the compiler's macros. */
  readonly missingFeatures: readonly string[];

  constructor(
    library: string,
    message: string,
    reason: SealedFault,
    options: ErrorOptions & { readonly missingFeatures?: readonly string[] } = {},
  ) {
    super('ERR_SEALED', library, message, options);
    this.reason = reason;
    this.missingFeatures = options.missingFeatures ?? [];
  }
}

/** `ERR_IN_USE`: the library can't be disposed, because others were linked to it. */
export class LibraryInUseError extends SourceLibraryError {
  override readonly name = 'LibraryInUseError';
  /** The names of those others. */
  readonly importers: readonly string[];

  constructor(library: string, importers: readonly string[]) {
    const names = importers.map((each) => `\`${each}\``).join(', ');
    const cure = 'dispose them first, or all at once with `dispose({ importers: true })`';
    super(
      'ERR_IN_USE',
      library,
      `${library} is not disposed: ${names} ${importers.length === 1 ? 'is' : 'are'} linked to it; ${cure}`,
    );
    this.importers = importers;
  }
}

/** `ERR_DISPOSED`: the library was disposed; its code is gone. */
export class DisposedError extends SourceLibraryError {
  override readonly name = 'DisposedError';

  constructor(library: string) {
    super('ERR_DISPOSED', library, `${library} was disposed; load it again to call it`);
  }
}
