/** Everything that this package exports. */

export type { BoundFunction } from './bindings/bind.ts';
export { readBytes, readString, viewBytes } from './bindings/bind.ts';
export type { FunctionOf, PointerArgument, VariableOf } from './bindings/prototype-types.ts';
export type { CacheReport } from './cache/lookup.ts';
export type { CacheStats, CacheVerification } from './cache/maintenance.ts';
export { cacheStats, clearCache, verifyCache } from './cache-control.ts';
export type { Language } from './compile/compiler.ts';
export type { IRFormat, IRSpec } from './compile-to-ir.ts';
export { compileToIR } from './compile-to-ir.ts';
export type { CompileFailure, CompileLimit, Diagnostic, SealedFault, Severity, SourceLocation } from './errors.ts';
export {
  BindingError,
  CompileError,
  CompileLimitError,
  DisposedError,
  LibraryInUseError,
  LinkError,
  NameConflictError,
  NativeError,
  ReloadError,
  SealedLibraryError,
  SourceLibraryError,
  SymbolNotFoundError,
  ToolchainError,
} from './errors.ts';
export type { EvaluateOptions } from './evaluate/evaluate.ts';
export type { SnippetValue } from './evaluate/value.ts';
export type { Timings } from './generation.ts';
export type { SourceFiles } from './input-files.ts';
export type {
  ArchiveInput,
  ObjectInput,
  SharedLibraryInput,
  SourceFile,
  SourceIR,
  SourceText,
} from './inputs.ts';
export type { DisposeOptions, LibraryEvents, LibraryVariable, ReloadChanges, SourceLibrary } from './library.ts';
export type { LlvmModule } from './llvm-module.ts';
export { LibraryRegistry, libraries, loadSourceLibrary } from './load-source-library.ts';
export type { SymbolInfo } from './loader/loader.ts';
export type { LoaderReport } from './loader/select.ts';
export type { CacheOptions, LoaderChoice, SourceLibraryOptions, SourceLibrarySpec } from './options.ts';
export type { RegistryEntry } from './registry.ts';
export type { ResolvedSymbol } from './resolved-symbols.ts';
export type { SealedLibraryOptions, SealReport } from './sealed.ts';
export { loadSealedLibrary, seal } from './sealed.ts';
export type { SealedCpu, SealedTarget } from './sealed-file.ts';
export type { SymbolizedAddress } from './symbolize.ts';
export { symbolize } from './symbolize.ts';
export { writeCompileCommands } from './write-compile-commands.ts';
