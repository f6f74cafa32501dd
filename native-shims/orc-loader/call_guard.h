//===- call_guard.h - Calls into JIT code -----------------------*- C++ -*-===//

#ifndef FROMSOURCE_CALL_GUARD_H
#define FROMSOURCE_CALL_GUARD_H

#include <string>

namespace fromsource {

/// Calls an entry of .init_array or .fini_array, with the arguments that ld.so
/// gives it. False when an exception came out, which `What` then describes.
bool callGuarded(void (*Function)(), std::string &What);

/// __cxa_finalize, guarded in the same way.
bool finaliseGuarded(void *DsoHandle, std::string &What);

} // namespace fromsource

#endif // FROMSOURCE_CALL_GUARD_H
