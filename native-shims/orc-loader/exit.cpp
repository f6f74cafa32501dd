//===- exit.cpp - The end of the process ----------------------------------===//

#include "dylib.h"

/// Takes the place of libc's for LLVM's global objects: they are never
/// destroyed, because other threads may still link while the process ends. JIT
/// code gets libc's.
extern "C" __attribute__((visibility("hidden"))) int
__cxa_atexit(void (*)(void *), void *, void *) {
  return 0;
}

/// ld.so calls this where it calls the finalisers of other libraries that were
/// opened at run time: after every handler of atexit, the first opened first.
__attribute__((destructor)) static void finaliseAll() {
  fs_session *S = fs_session::existing();
  if (!S)
    return;
  for (fs_dylib *Dylib : S->finalisable())
    Dylib->finaliseAtExit();
}
