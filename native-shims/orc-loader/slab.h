//===- slab.h - One range of addresses for all JIT memory -------*- C++ -*-===//

#ifndef FROMSOURCE_SLAB_H
#define FROMSOURCE_SLAB_H

#include "llvm/Support/Error.h"
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

namespace fromsource {

/// Address space reserved once, so that any two pieces of JIT code are within
/// the 2 GiB that a 32-bit displacement reaches. Pages cost memory only while
/// they are handed out. Any thread may call.
class Slab {
public:
  /// Reserves `Bytes`, or as much as the process may have down to 64 MiB, and
  /// proves that pages may go from writable to executable.
  static llvm::Expected<std::unique_ptr<Slab>> create(uint64_t Bytes);

  /// Zeroed, readable and writable pages. Both arguments are multiples of the
  /// page size.
  llvm::Expected<char *> allocate(uint64_t Size, uint64_t Align);

  /// Gives the pages back to the system, and the addresses to the slab.
  void release(char *Address, uint64_t Size);

  uint64_t bytesInUse() const;
  uint64_t pageSize() const { return PageSize; }

private:
  Slab(char *Base, uint64_t Size, uint64_t PageSize);

  /// First fit; null when nothing is large enough.
  char *take(uint64_t Size, uint64_t Align);
  void giveBack(char *Address, uint64_t Size);

  const uint64_t Size;
  const uint64_t PageSize;
  mutable std::mutex Mutex;
  /// Free ranges, start → size; neighbours are always merged.
  std::map<char *, uint64_t> Free;
  uint64_t InUse = 0;
};

} // namespace fromsource

#endif // FROMSOURCE_SLAB_H
