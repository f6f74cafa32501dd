//===- slab.cpp - One range of addresses for all JIT memory ---------------===//

#include "slab.h"
#include "error.h"
#include "llvm/Support/MathExtras.h"
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

using namespace llvm;

namespace fromsource {

static constexpr uint64_t DefaultBytes = 1ull << 30;
static constexpr uint64_t SmallestBytes = 64ull << 20;

static void *reserve(void *At, uint64_t Size) {
  return mmap(At, Size, PROT_NONE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
                  (At ? MAP_FIXED : 0),
              -1, 0);
}

Slab::Slab(char *Base, uint64_t Size, uint64_t PageSize)
    : Size(Size), PageSize(PageSize) {
  Free[Base] = Size;
}

Expected<std::unique_ptr<Slab>> Slab::create(uint64_t Bytes) {
  uint64_t PageSize = sysconf(_SC_PAGESIZE);
  uint64_t Size = alignTo(Bytes ? Bytes : DefaultBytes, PageSize);
  void *Base = reserve(nullptr, Size);
  while (Base == MAP_FAILED && Size / 2 >= SmallestBytes) {
    Size = alignTo(Size / 2, PageSize);
    Base = reserve(nullptr, Size);
  }
  if (Base == MAP_FAILED)
    return makeError(FS_ERROR_MEMORY_DENIED,
                     "this process may not reserve " + Twine(Size >> 20) +
                         " MiB of addresses: " + strerror(errno));

  // SELinux's execmem, PR_SET_MDWE and seccomp filters refuse the second of
  // these; better now than at the first link.
  auto *Page = static_cast<char *>(Base);
  bool Allowed = mprotect(Page, PageSize, PROT_READ | PROT_WRITE) == 0;
  if (Allowed) {
    *Page = 1;
    Allowed = mprotect(Page, PageSize, PROT_READ | PROT_EXEC) == 0;
  }
  int Reason = errno;
  if (!Allowed || reserve(Page, PageSize) == MAP_FAILED) {
    munmap(Base, Size);
    return makeError(FS_ERROR_MEMORY_DENIED,
                     Twine("this process may not make memory executable: ") +
                         strerror(Reason));
  }
  return std::unique_ptr<Slab>(new Slab(Page, Size, PageSize));
}

char *Slab::take(uint64_t Wanted, uint64_t Align) {
  std::lock_guard<std::mutex> Lock(Mutex);
  for (auto I = Free.begin(); I != Free.end(); ++I) {
    char *Start = I->first;
    char *End = Start + I->second;
    auto *Address = reinterpret_cast<char *>(
        alignTo(reinterpret_cast<uintptr_t>(Start), Align));
    if (Address > End || uint64_t(End - Address) < Wanted)
      continue;
    if (Address == Start)
      Free.erase(I);
    else
      I->second = Address - Start;
    if (Address + Wanted != End)
      Free[Address + Wanted] = End - (Address + Wanted);
    InUse += Wanted;
    return Address;
  }
  return nullptr;
}

void Slab::giveBack(char *Address, uint64_t Given) {
  std::lock_guard<std::mutex> Lock(Mutex);
  InUse -= Given;
  auto Next = Free.lower_bound(Address);
  if (Next != Free.end() && Next->first == Address + Given) {
    Given += Next->second;
    Next = Free.erase(Next);
  }
  if (Next != Free.begin()) {
    auto Previous = std::prev(Next);
    if (Previous->first + Previous->second == Address) {
      Previous->second += Given;
      return;
    }
  }
  Free[Address] = Given;
}

Expected<char *> Slab::allocate(uint64_t Wanted, uint64_t Align) {
  char *Address = take(Wanted, Align);
  if (!Address)
    return makeError(FS_ERROR_MEMORY_EXHAUSTED,
                     "the " + Twine(Size >> 20) +
                         " MiB of JIT memory have no room for " +
                         Twine(Wanted) + " bytes, " + Twine(bytesInUse()) +
                         " are in use: dispose libraries you no longer need");
  if (mprotect(Address, Wanted, PROT_READ | PROT_WRITE) != 0) {
    int Reason = errno;
    giveBack(Address, Wanted);
    return makeError(FS_ERROR_MEMORY_EXHAUSTED,
                     "the system gives no memory for " + Twine(Wanted) +
                         " bytes of JIT code: " + strerror(Reason));
  }
  return Address;
}

void Slab::release(char *Address, uint64_t Given) {
  // Mapping anew both frees the pages and merges the map lines again. It can
  // only fail for want of map lines; then at least the pages must go.
  if (reserve(Address, Given) == MAP_FAILED) {
    mprotect(Address, Given, PROT_READ | PROT_WRITE);
    madvise(Address, Given, MADV_DONTNEED);
  }
  giveBack(Address, Given);
}

uint64_t Slab::bytesInUse() const {
  std::lock_guard<std::mutex> Lock(Mutex);
  return InUse;
}

} // namespace fromsource
