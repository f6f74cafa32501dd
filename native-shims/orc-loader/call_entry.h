//===- call_entry.h - Telling one call from another -------------*- C++ -*-===//

#ifndef FROMSOURCE_CALL_ENTRY_H
#define FROMSOURCE_CALL_ENTRY_H

#include "slab.h"
#include "llvm/Support/Error.h"
#include <string>

namespace fromsource {

/// A function that notes where the stack is, and goes on as `Target`.
llvm::Expected<uint64_t> beginCall(Slab &S, uint64_t Target, uint64_t Most);
std::string endCall(uint64_t Entry);

/// Whether there is one that the code whose stack is at `Stack` is in.
bool isInCall(uint64_t Stack);

/// Whether there is one whose caller's stack is at `Stack`, after it returned:
/// then the failure is its.
bool failCall(uint64_t Stack, const std::string &Failure);

} // namespace fromsource

#endif // FROMSOURCE_CALL_ENTRY_H
