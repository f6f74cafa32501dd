//===- abi.cpp - The C ABI ------------------------------------------------===//

#include "call_entry.h"
#include "crash_code.h"
#include "crash_report.h"
#include "dylib.h"
#include "error.h"
#include "exception_guard.h"
#include "reentry.h"
#include <exception>

using namespace llvm;
using namespace fromsource;

#define FS_EXPORT __attribute__((visibility("default")))

/// Nothing may leave by other ways than the returned error.
template <typename Body>
static fs_error *guarded(fs_error_kind Fallback, Body &&Run) noexcept {
  try {
    Error Err = Run();
    if (!Err)
      return nullptr;
    return toFsError(std::move(Err), Fallback);
  } catch (const std::exception &E) {
    return toFsError(makeError(FS_ERROR_INTERNAL, E.what()), Fallback);
  } catch (...) {
    return toFsError(makeError(FS_ERROR_INTERNAL, "unknown exception"),
                     Fallback);
  }
}

template <typename T, typename U>
static Error store(Expected<T> Value, U *Out) {
  if (!Value)
    return Value.takeError();
  *Out = *Value;
  return Error::success();
}

extern "C" {

FS_EXPORT uint32_t fs_abi_version(void) { return FS_ABI_VERSION; }
FS_EXPORT const char *fs_llvm_version(void) { return FS_LLVM_VERSION; }

FS_EXPORT fs_error_kind fs_error_get_kind(const fs_error *E) { return E->Kind; }
FS_EXPORT const char *fs_error_message(const fs_error *E) {
  return E->Message.c_str();
}
FS_EXPORT const char *fs_error_symbols(const fs_error *E) {
  return E->Symbols.c_str();
}
FS_EXPORT const char *fs_error_candidates(const fs_error *E) {
  return E->Candidates.c_str();
}
FS_EXPORT void fs_error_dispose(fs_error *E) { delete E; }

FS_EXPORT fs_error *fs_session_create(uint64_t SlabBytes, fs_session **Out) {
  return guarded(FS_ERROR_INTERNAL,
                 [&] { return store(fs_session::get(SlabBytes), Out); });
}

FS_EXPORT uint64_t fs_session_bytes_in_use(const fs_session *S) {
  return S->bytesInUse();
}

FS_EXPORT fs_error *fs_dylib_create(fs_session *S, const char *Name,
                                    fs_dylib **Out) {
  return guarded(FS_ERROR_INTERNAL,
                 [&] { return store(fs_dylib::create(*S, Name), Out); });
}

FS_EXPORT fs_error *fs_dylib_define(fs_dylib *D, const char *Names,
                                    const uint64_t *Addresses, size_t Count) {
  return guarded(FS_ERROR_MISUSE,
                 [&] { return D->define(Names, ArrayRef(Addresses, Count)); });
}

FS_EXPORT fs_error *fs_dylib_add_object(fs_dylib *D, const uint8_t *Bytes,
                                        size_t Size) {
  return guarded(FS_ERROR_BAD_OBJECT, [&] {
    return D->add(ArrayRef(reinterpret_cast<const char *>(Bytes), Size));
  });
}

FS_EXPORT fs_error *fs_dylib_initialize(fs_dylib *D) {
  return guarded(FS_ERROR_INTERNAL, [&] { return D->initialise(); });
}

FS_EXPORT fs_error *fs_dylib_symbols(fs_dylib *D, const char **Out) {
  return guarded(FS_ERROR_INTERNAL, [&] {
    *Out = D->symbols();
    return Error::success();
  });
}

FS_EXPORT fs_error *fs_dylib_code(fs_dylib *D, const char **Out) {
  return guarded(FS_ERROR_INTERNAL, [&] {
    *Out = D->code();
    return Error::success();
  });
}

FS_EXPORT int fs_dylib_may_throw(const fs_dylib *D) { return D->mayThrow(); }

FS_EXPORT fs_error *fs_dylib_lookup(fs_dylib *D, const char *Name,
                                    uint64_t *Out) {
  return guarded(FS_ERROR_INTERNAL,
                 [&] { return store(D->lookup(Name), Out); });
}

FS_EXPORT fs_error *fs_dylib_make_lazy(fs_dylib *D, int Requests) {
  setBoundary(__builtin_return_address(0));
  return guarded(FS_ERROR_MISUSE, [&] { return D->makeLazy(Requests); });
}

FS_EXPORT fs_error *fs_dylib_add_stubs(fs_dylib *D, const char *Names) {
  return guarded(FS_ERROR_MISUSE, [&] { return D->addStubs(Names); });
}

FS_EXPORT fs_error *fs_dylib_resolve(fs_dylib *D, const char *Name,
                                     uint64_t *Out) {
  return guarded(FS_ERROR_MISUSE, [&] { return store(D->resolve(Name), Out); });
}

FS_EXPORT fs_error *fs_dylib_answer(fs_dylib *D, const char *Name,
                                    const char *Failure) {
  return guarded(FS_ERROR_MISUSE, [&] { return D->answer(Name, Failure); });
}

FS_EXPORT fs_error *fs_call_begin(fs_session *S, uint64_t Target, uint64_t Most,
                                  uint64_t *Out) {
  return guarded(FS_ERROR_INTERNAL, [&] {
    return store(beginCall(S->slab(), Target, Most), Out);
  });
}

FS_EXPORT const char *fs_call_end(uint64_t Entry) {
  static thread_local std::string Taken;
  Taken = endCall(Entry);
  return Taken.c_str();
}

FS_EXPORT const uint32_t *fs_escape_count(void) { return escapeCount(); }

FS_EXPORT const char *fs_take_escape(void) {
  static thread_local std::string Taken;
  Taken = takeEscape();
  return Taken.c_str();
}

FS_EXPORT fs_error *fs_dylib_finalize(fs_dylib *D) {
  return guarded(FS_ERROR_INTERNAL, [&] { return D->finalise(); });
}

FS_EXPORT fs_error *fs_dylib_remove(fs_dylib *D) {
  return guarded(FS_ERROR_INTERNAL, [&] { return D->remove(); });
}

FS_EXPORT fs_error *fs_crash_add_code(const char *Library,
                                      const fs_code_tables *Tables,
                                      uint64_t *Out) {
  return guarded(FS_ERROR_INTERNAL, [&] {
    reportCrashes();
    return store(addCrashCode(Library, *Tables), Out);
  });
}

FS_EXPORT void fs_crash_remove_code(uint64_t Id) { removeCrashCode(Id); }

FS_EXPORT fs_error *fs_run_initialisers(void (*const *Entries)(),
                                        size_t Count) {
  return guarded(FS_ERROR_INTERNAL, [&]() -> Error {
    for (size_t I = 0; I != Count; ++I)
      if (Error Err = runInitialiser(Entries[I]))
        return Err;
    return Error::success();
  });
}

static_assert(sizeof(fs_guard) == sizeof(GuardBlock) &&
              offsetof(fs_guard, thrown) == offsetof(GuardBlock, Thrown) &&
              offsetof(fs_guard, exception) == offsetof(GuardBlock, Exception));

FS_EXPORT fs_error *fs_guard_create(void *Function, uint64_t StackWords,
                                    fs_guard **Out, void **Thunk) {
  return guarded(FS_ERROR_MEMORY_DENIED, [&]() -> Error {
    GuardBlock *Block = createGuard(Function, StackWords, *Thunk);
    if (!Block)
      return makeError(FS_ERROR_MEMORY_DENIED, "no memory for calls");
    *Out = reinterpret_cast<fs_guard *>(Block);
    return Error::success();
  });
}

FS_EXPORT void fs_guard_dispose(fs_guard *G) {
  disposeGuard(reinterpret_cast<GuardBlock *>(G));
}

FS_EXPORT const char *fs_exception_type(const fs_exception *E) {
  return E->Type.c_str();
}
FS_EXPORT const char *fs_exception_what(const fs_exception *E) {
  return E->HasWhat ? E->What.c_str() : nullptr;
}
FS_EXPORT void fs_exception_dispose(fs_exception *E) { delete E; }

} // extern "C"
