/** Errors on their way from the thread that compiles: as text, and typed again where they are thrown. */

import {
  CompileError,
  CompileLimitError,
  LinkError,
  SourceLibraryError,
  SymbolNotFoundError,
  ToolchainError,
} from './errors.ts';

/** With the data that the classes have beside the message; causes stay behind. */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify({ name: 'Error', message: String(error) });
  return JSON.stringify({ ...error, name: error.name, message: error.message, cause: undefined });
}

/** An error of the class that the text is of; for one that the loader wrote a LinkError. */
export function errorOf(text: string, of = ''): Error {
  let failure: any;
  try {
    failure = JSON.parse(text);
  } catch {
    return new LinkError(of, `${of} could not be linked: ${text}`, []);
  }
  const { name, message, library } = failure;
  switch (name) {
    case 'CompileError':
      return new CompileError(library, message, failure);
    case 'CompileLimitError':
      return new CompileLimitError(library, message, failure.limit, failure.value);
    case 'LinkError':
      return new LinkError(library, message, failure.missingSymbols, failure);
    case 'SymbolNotFoundError':
      return new SymbolNotFoundError(library, message, failure.symbol, failure.nearNames);
    case 'ToolchainError':
      return new ToolchainError(library, message, failure.searched);
    case 'SourceLibraryError':
      return new SourceLibraryError(failure.code, library, message);
    case 'TypeError':
      return new TypeError(message);
    default:
      return new Error(message);
  }
}
