//===- call_guard.cpp - Calls into JIT code -------------------------------===//
//
// Apart from the rest because here exceptions are caught, and nothing of LLVM
// may be on the stack when one passes: LLVM is built without them.
//
//===----------------------------------------------------------------------===//

#include "call_guard.h"
#include <cstdlib>
#include <cxxabi.h>
#include <exception>
#include <typeinfo>
#include <unistd.h>

extern "C" void __cxa_finalize(void *);

namespace fromsource {

static int Argc;
static char **Argv;

/// ld.so calls the initialisers of every library like this one.
__attribute__((constructor)) static void keepArguments(int C, char **V) {
  Argc = C;
  Argv = V;
}

static std::string currentExceptionType() {
  const std::type_info *Type = abi::__cxa_current_exception_type();
  if (!Type)
    return "an exception of another language";
  int Status = 0;
  char *Name = abi::__cxa_demangle(Type->name(), nullptr, nullptr, &Status);
  std::string Result = Status == 0 ? Name : Type->name();
  free(Name);
  return Result;
}

template <typename Call> static bool guard(Call &&C, std::string &What) {
  try {
    C();
    return true;
  } catch (const std::exception &E) {
    What = currentExceptionType() + ": " + E.what();
  } catch (...) {
    What = currentExceptionType();
  }
  return false;
}

bool callGuarded(void (*Function)(), std::string &What) {
  using Entry = void (*)(int, char **, char **);
  // The environment of now, as ld.so does: setenv moves it.
  return guard([&] { reinterpret_cast<Entry>(Function)(Argc, Argv, environ); },
               What);
}

bool finaliseGuarded(void *DsoHandle, std::string &What) {
  return guard([&] { __cxa_finalize(DsoHandle); }, What);
}

} // namespace fromsource
