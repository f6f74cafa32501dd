//===- guard.h - What happens when clang fails ------------------*- C++ -*-===//

#ifndef FROMSOURCE_GUARD_H
#define FROMSOURCE_GUARD_H

#include "protocol.h"

namespace fromsource {

class Channel;

/// The process's last words: after a crash, a fatal error or without memory
/// the answer is sent and the process ends, because nothing in it can be
/// trusted any more. CrashRecoveryContext would give the next request a clang
/// whose locks and globals were left by a jump.
void installGuards(const Channel &To);

/// Handles signals on a stack of its own, because most crashes of clang are
/// stack overflows. For the calling thread.
void guardThisThread();

/// For as long as it lives, an end of the process answers the request `Id`.
class RequestGuard {
public:
  /// `MaxBytes` more address space may be used than is now; 0 for no limit.
  RequestGuard(int64_t Id, uint64_t MaxBytes);
  ~RequestGuard();

  /// What was printed so far, for the answer to a fatal error: the driver's
  /// words and, while it runs, the compile's. The latter may be null.
  static void setPrinted(const std::string *Driver, const std::string *Compile);
};

/// Bytes that are mapped, and that are in memory.
struct MemoryUse {
  uint64_t Mapped = 0, Resident = 0;
  static MemoryUse now();
};

} // namespace fromsource

#endif // FROMSOURCE_GUARD_H
