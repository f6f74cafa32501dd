/** The interface of the compile stage: a request in, object bytes and what was learnt about them out. */

import type { Diagnostic } from '../errors.ts';

/** The language of a source. */
export type Language = 'c' | 'c++';

/** What to compile: a string that exists only in memory, a file that the compiler reads itself, or LLVM IR. */
export type CompileInput =
  | {
      readonly kind: 'text';
      readonly text: string;
      /** Shown in diagnostics, `__FILE__` and debug information instead of `<stdin>`. */
      readonly displayName: string;
      /** Relative path → text; found by `#include "…"` and `#include <…>` before any folder. */
      readonly headers: Readonly<Record<string, string>>;
      /** Name → text of the parts that line directives in the text name. */
      readonly parts?: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'ir';
      /** Text, or bitcode. */
      readonly ir: string | Uint8Array;
      /** Shown in diagnostics instead of `<stdin>`. */
      readonly displayName: string;
      /** A pass pipeline in place of that of the `-O` level, or null. */
      readonly passes: string | null;
    };

/** What to make: an ELF object, or LLVM IR as bitcode or text. */
export type CompileOutput = 'object' | 'bitcode' | 'ir';

/**
 * Bounds on one compile. A compile that goes over one is ended, with all its processes, within 2 s.
 *
 * `Infinity` lifts a bound.
 */
export interface CompileLimits {
  /** Wall time in milliseconds, from the start of the compiler. */
  readonly timeout: number;
  /** Bytes of the object. */
  readonly maxOutputBytes: number;
  /** Bytes of address space of each compiler process. */
  readonly maxMemoryBytes: number;
}

export interface CompileRequest {
  /** The library's name, for errors only. */
  readonly library: string;
  /** The caller's working folder, absolute: the compiler runs there, and relative names start there. */
  readonly folder: string;
  readonly input: CompileInput;
  readonly language: Language;
  /** The caller's flags, not yet judged. */
  readonly flags: readonly string[];
  readonly includePaths: readonly string[];
  /** `true` defines the name as 1, `false` undefines it, anything else is the macro's text. */
  readonly defines: Readonly<Record<string, string | number | boolean>>;
  /** Accept flags that would be refused. */
  readonly unsafeFlags: boolean;
  readonly limits: CompileLimits;
  readonly signal: AbortSignal | undefined;
  /** Default `'object'`. */
  readonly output?: CompileOutput;
  /**
   * Where in the text, in bytes, the source begins that is to be made into code. What comes before lives already: it is
   * declared, and of it only inline functions, templates, static functions and constants are made where they are used.
   * Only the resident compiler can.
   */
  readonly declaredBefore?: number;
}

/** A file that a compile read. */
export interface FileRead {
  /** Absolute. */
  readonly path: string;
  readonly size: number;
  /** SHA-256 of the content as the compiler saw it, in hexadecimal. */
  readonly digest: string;
}

/** A folder whose entries decided what was read. */
export interface FolderListed {
  /** Absolute. */
  readonly path: string;
  /** SHA-256 of its entries' names, as of `digestOfFolder`; empty when they could not be listed. */
  readonly digest: string;
}

/**
 * What a compile depended on besides its command.
 *
 * The same command gives the same bytes again while every file of `read` has its content, nothing of `absent` has come
 * to be, and every folder of `listed` has its entries; with anything in `volatile` it need not even then.
 */
export interface CompileRecord {
  /**
   * Every file that was read, sorted by path: headers, `#embed`, what `__has_include` found, and what assembly names
   * (`.incbin`). In-memory ones are not among them.
   */
  readonly read: readonly FileRead[];
  /**
   * Every absolute path that was looked for and not there. Of an absent folder, only the folder is. With a slash at the
   * end, one that was a folder: compilers pass over it, but would take a file in its place.
   */
  readonly absent: readonly string[];
  /** Where clang looks for gcc installations, to take the headers of the newest. */
  readonly listed: readonly FolderListed[];
  /**
   * Each reason once, sorted; empty for a compile that can be repeated.
   *
   * `__DATE__`, `__TIME__` or `__TIMESTAMP__` when that macro of the compiler's was expanded; and the path of a file
   * that need not hold the same twice: of a device, of /proc, one that was written to during the compile, or one
   * whose name is no Unicode.
   */
  readonly volatile: readonly string[];
}

export interface CompileResult {
  /** What was asked for: a relocatable ELF object of this machine, unless the request has another `output`. */
  readonly object: Uint8Array;
  /** Warnings and remarks. */
  readonly diagnostics: readonly Diagnostic[];
  /**
   * Absolute paths of every file that was read, the source file included; in-memory headers are not among them.
   *
   * Complete for `#include`, `#embed` and files that `__has_include` found. Without a record, files that the assembler
   * reads (`.incbin`) or that a flag names as data (`-fprofile-use=`) are missing, and so are names with a newline.
   */
  readonly dependencies: readonly string[];
  /** What the driver recorded of the compile's inputs; null from a one-shot compiler, which records nothing. */
  readonly record: CompileRecord | null;
}
