//===- orc_loader.h - C ABI of the ORC/JITLink loader shim ------*- C -*-===//
//
// Takes relocatable ELF objects and makes them live in this process. The only
// caller is src/loader/orc.ts, through koffi; declarations there mirror these.
//
// Rules that hold for every function:
//  * It returns NULL on success, else an fs_error that the caller owns and
//    gives back with fs_error_dispose. Out-parameters are written only on
//    success. No C++ exception and no llvm::Error crosses this boundary.
//  * Any thread may call it, unless it says otherwise. Errors are values, not
//    thread-local state, so calls may run on any worker thread.
//  * Pointers that a function takes are borrowed for the duration of the call.
//
//===----------------------------------------------------------------------===//

#ifndef FROMSOURCE_ORC_LOADER_H
#define FROMSOURCE_ORC_LOADER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Raised with every change of this header; src/loader/orc.ts refuses a shim
/// with another number.
#define FS_ABI_VERSION 7

typedef struct fs_error fs_error;
typedef struct fs_session fs_session;
typedef struct fs_dylib fs_dylib;
typedef struct fs_exception fs_exception;

typedef enum fs_error_kind {
  /// A bug or an unforeseen failure inside LLVM; the message is all there is.
  FS_ERROR_INTERNAL = 1,
  /// This process may not make memory executable, or may not reserve it.
  FS_ERROR_MEMORY_DENIED = 2,
  /// The slab of JIT memory has no room left.
  FS_ERROR_MEMORY_EXHAUSTED = 3,
  /// The bytes are not a relocatable object of this machine.
  FS_ERROR_BAD_OBJECT = 4,
  /// Nothing defines some symbols: fs_error_symbols lists them.
  FS_ERROR_MISSING_SYMBOLS = 5,
  /// A relocation or construct that this loader does not support.
  FS_ERROR_UNSUPPORTED = 6,
  /// An argument or a state that the caller got wrong.
  FS_ERROR_MISUSE = 7,
  /// The answer to a request of a lazy dylib was a failure; the message is what
  /// fs_dylib_answer was given.
  FS_ERROR_NOT_BUILT = 8,
} fs_error_kind;

/// FS_ABI_VERSION of the shim.
uint32_t fs_abi_version(void);
/// Such as "22.1.8". Static storage.
const char *fs_llvm_version(void);

fs_error_kind fs_error_get_kind(const fs_error *error);
/// UTF-8, no trailing newline. Owned by the error.
const char *fs_error_message(const fs_error *error);
/// Names joined by '\n', sorted; "" unless FS_ERROR_MISSING_SYMBOLS. Owned by
/// the error.
const char *fs_error_symbols(const fs_error *error);
/// Names joined by '\n' that a missing one may be a misspelling of: the
/// object's own and those of the C libraries. "" unless
/// FS_ERROR_MISSING_SYMBOLS. Owned by the error.
const char *fs_error_candidates(const fs_error *error);
/// Frees the error. NULL is allowed.
void fs_error_dispose(fs_error *error);

/// Gives the process's one session, made by the first call. It is never torn
/// down: JIT code may run until the very end of the process. `slab_bytes` is
/// address space to reserve on the first call (no memory is committed), 0 for
/// the default; later calls ignore it.
fs_error *fs_session_create(uint64_t slab_bytes, fs_session **session_out);

/// Bytes of slab handed out now, for tests and benchmarks.
uint64_t fs_session_bytes_in_use(const fs_session *session);

/// Makes an empty dylib. `name` is a label and need not be unique. The caller
/// owns the dylib and gives it back with fs_dylib_remove.
fs_error *fs_dylib_create(fs_session *session, const char *name,
                          fs_dylib **dylib_out);

/// Gives names that the dylib does not define an address each, for the objects
/// added from now on: those of other libraries, which must outlive the dylib.
/// They go before the run-time libraries. `names` is joined by '\n', in the
/// order of `addresses`, of which there are `count`. Not during
/// fs_dylib_add_object.
fs_error *fs_dylib_define(fs_dylib *dylib, const char *names,
                          const uint64_t *addresses, size_t count);

/// Links one relocatable object into the dylib, all of it, now, against the
/// dylib's earlier objects, what fs_dylib_define gave it, and the C and C++
/// run-time libraries of the process.
/// The bytes are not needed afterwards. Runs no code of the object. On failure
/// nothing of it stays, but the dylib remains the caller's to remove. Links
/// into one dylib run one after the other, into several at once.
fs_error *fs_dylib_add_object(fs_dylib *dylib, const uint8_t *bytes,
                              size_t size);

/// Chooses the ifuncs and runs the initialisers of the objects added since the
/// last call, in the order a dynamic linker would, on the calling thread. An
/// error when one throws: the rest do not run, nor do these objects'
/// finalisers.
fs_error *fs_dylib_initialize(fs_dylib *dylib);

/// The exported symbols (default visibility, not thread-local), one a line:
/// "<address, hex> <size, decimal> <f|d> <name>\n". Owned by the dylib, valid
/// until its next fs_dylib_add_object or fs_dylib_remove; of a lazy dylib until
/// the next call of this.
fs_error *fs_dylib_symbols(fs_dylib *dylib, const char **text_out);

/// What debuggers and reports of crashes ask for, one a line: all functions,
/// hidden and local ones too: "f <address, hex> <size, decimal> <name>\n"; and
/// the objects with debug information, with the addresses of their sections
/// written in: "o <address of the bytes, hex> <size, decimal> -\n". The text is
/// owned by the dylib and valid until the next call of this, the objects until
/// fs_dylib_remove.
fs_error *fs_dylib_code(fs_dylib *dylib, const char **text_out);

/// The address of one exported symbol. FS_ERROR_MISSING_SYMBOLS if none.
fs_error *fs_dylib_lookup(fs_dylib *dylib, const char *name,
                          uint64_t *address_out);

/// Whether exceptions may leave the dylib's functions: one of its objects needs
/// something of the C++ runtime or of an unwinder.
int fs_dylib_may_throw(const fs_dylib *dylib);

/// Makes an empty dylib one whose objects come when they are needed. A function
/// that an object calls and nothing defines gets a stub. The first call of one
/// writes "<dylib, hex> <name>\n" to the file `requests`, which must block and
/// stay open as long as the dylib, and waits, on whichever thread it is, for
/// fs_dylib_answer; then the initialisers of the new objects run on that
/// thread. After a failure the stack of that thread is unwound to the code that
/// called into the dylib on behalf of JavaScript, which is the caller of this
/// function: its call gives 0, and fs_take_escape or fs_call_end the failure.
/// A thread that the library has made ends, and "<dylib, hex> !<failure>\n" is
/// written. A frame without unwind tables ends the process, as with any
/// exception.
fs_error *fs_dylib_make_lazy(fs_dylib *dylib, int requests);

/// Functions for which an object gets a stub also where it uses their address,
/// and although a run-time library defines them, too. `names` is joined by
/// '\n'. In the objects added from now on, those that define them too, the
/// stub is their address, so that it is one and the same everywhere.
fs_error *fs_dylib_add_stubs(fs_dylib *dylib, const char *names);

/// Waits until a name of a lazy dylib is defined, as a stub does.
/// FS_ERROR_NOT_BUILT if it is not.
fs_error *fs_dylib_resolve(fs_dylib *dylib, const char *name,
                           uint64_t *address_out);

/// Answers requests for a name: a definition was added, and `failure` is "", or
/// the reason why none was; a later call asks again.
fs_error *fs_dylib_answer(fs_dylib *dylib, const char *name,
                          const char *failure);

/// The address of a function that calls `target`, for one call from JavaScript
/// on a thread of its own, of which fs_escape_count says nothing; 0 while
/// `most` such calls are under way in the process.
fs_error *fs_call_begin(fs_session *session, uint64_t target, uint64_t most,
                        uint64_t *entry_out);

/// Once that call has returned: "", or the failure for which its stack was
/// unwound. Valid until the next call of this on the thread.
const char *fs_call_end(uint64_t entry);

/// Counts, for the calling thread, the calls that ended in an unwinding. Static
/// storage of the thread.
const uint32_t *fs_escape_count(void);

/// Why the last of them did, and forgets it; "" if there is nothing. Valid
/// until the next call of this on the thread.
const char *fs_take_escape(void);

/// Runs the calling thread's thread-local destructors, `.fini_array`, and what
/// the dylib's code registered with atexit and __cxa_atexit, in the order that
/// dlclose would, on the calling thread. Once: a second call does nothing. An
/// error when one throws; the others run all the same. For a dylib that is live
/// when the process ends normally, that happens then, in ld.so's order.
fs_error *fs_dylib_finalize(fs_dylib *dylib);

/// Frees the dylib's memory and the handle, after fs_dylib_finalize if that was
/// not called. No call into it may be in flight. Other threads' pending
/// thread-local destructors are forgotten; one that runs is waited for. On an
/// error the handle is gone all the same.
fs_error *fs_dylib_remove(fs_dylib *dylib);

/// Calls `count` initialisers of a library that the system's dynamic linker
/// opened without running them, in order, as it would, on the calling thread.
/// An error when one throws, which would end the process from within dlopen:
/// the rest do not run. `entries` is the library's own DT_INIT_ARRAY.
fs_error *fs_run_initialisers(void (*const *entries)(void), size_t count);

/// A function that is called through `thunk`, from which no exception comes.
typedef struct fs_guard {
  void *function;
  uint16_t stack_words;
  uint16_t reserved;
  /// Set to 1 by a call that an exception ended; what it returned is zero. The
  /// caller sets it to 0, and takes the exception.
  uint32_t thrown;
  /// Of the last such call; NULL when there was no memory for it. Whoever sets
  /// it to NULL owns it, and gives it back with fs_exception_dispose.
  fs_exception *exception;
  void *reserved_too;
} fs_guard;

/// Makes a thunk for the function, which may be anywhere. `stack_words` is how
/// many of its arguments are passed on the stack, each of 8 bytes. The thunk
/// has the function's type. As many calls may be in it as like, but one at a
/// time may end: the exception is the guard's, not the call's. A forced unwind
/// (pthread_exit) passes.
fs_error *fs_guard_create(void *function, uint64_t stack_words,
                          fs_guard **guard_out, void **thunk_out);

/// No call may be in it, and none may follow.
void fs_guard_dispose(fs_guard *guard);

/// The type's name in C++. Owned by the exception.
const char *fs_exception_type(const fs_exception *exception);
/// What a std::exception says of itself, NULL of any other. Owned by the
/// exception.
const char *fs_exception_what(const fs_exception *exception);
void fs_exception_dispose(fs_exception *exception);

/// From the first of its addresses up to the next entry's; where there is no
/// code of the table `line` is 0.
typedef struct fs_code_line {
  uint64_t from;
  /// Of the name in the text; so in fs_code_function.
  uint32_t file;
  uint32_t line;
} fs_code_line;

typedef struct fs_code_function {
  uint64_t from;
  /// 0 when it is not known.
  uint32_t size;
  uint32_t name;
} fs_code_function;

typedef struct fs_code_range {
  uint64_t from;
  uint64_t to;
} fs_code_range;

/// What is known of a library's code. Lines and functions are in the order of
/// their addresses; the text has names, each ended by a zero.
typedef struct fs_code_tables {
  const fs_code_range *ranges;
  uint64_t range_count;
  const fs_code_function *functions;
  uint64_t function_count;
  const fs_code_line *lines;
  uint64_t line_count;
  const char *text;
  uint64_t text_size;
} fs_code_tables;

/// From now on a fatal signal in that code, or in what it calls of the system,
/// writes a report to stderr before the process ends by it as it would have.
/// The first call installs handlers for SIGSEGV, SIGBUS, SIGILL, SIGFPE and
/// SIGABRT, which stay. Each thread that calls this gets a stack for signals,
/// so that an overflow of its own is reported too. The tables are copied.
fs_error *fs_crash_add_code(const char *library, const fs_code_tables *tables,
                            uint64_t *id_out);

/// Before the code is freed.
void fs_crash_remove_code(uint64_t id);

#ifdef __cplusplus
}
#endif

#endif // FROMSOURCE_ORC_LOADER_H
