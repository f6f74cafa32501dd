//===- exception_guard.h - Calls that exceptions do not leave ---*- C++ -*-===//
//
// JavaScript has no frame that an exception could pass, so each function that
// may throw is called through a thunk of its own. An exception ends there: its
// destructors run, and what it was is kept for the caller.
//
//===----------------------------------------------------------------------===//

#ifndef FROMSOURCE_EXCEPTION_GUARD_H
#define FROMSOURCE_EXCEPTION_GUARD_H

#include <cstddef>
#include <cstdint>
#include <string>

/// What an exception was. Copied, because the code that threw may go.
struct fs_exception {
  std::string Type;
  std::string What;
  bool HasWhat = false;
};

namespace fromsource {

/// What call_thunks.S and src/bindings/guard.ts know of a guarded function.
/// Free ones are linked by Target.
struct GuardBlock {
  void *Target;
  /// Of the arguments: odd.
  uint16_t StackWords;
  /// Its place in the page, which is that of its thunk.
  uint16_t Index;
  /// 1 when the last call ended with an exception, which the caller is to take.
  uint32_t Thrown;
  fs_exception *Exception;
  void (*Enter)();
};
static_assert(sizeof(GuardBlock) == 32, "call_thunks.S says so");

/// Null when there is no memory for another. `Thunk` is what to call.
GuardBlock *createGuard(void *Target, size_t StackWords, void *&Thunk);

/// No call may be in it. An exception that nobody took is freed.
void disposeGuard(GuardBlock *Block);

} // namespace fromsource

#endif // FROMSOURCE_EXCEPTION_GUARD_H
