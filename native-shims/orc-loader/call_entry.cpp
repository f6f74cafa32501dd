//===- call_entry.cpp - Telling one call from another ---------------------===//
//
// A call that JavaScript starts on another thread is unwound there, and
// JavaScript learns of its end without a word of the thread. So each such call
// has code of its own, which notes the one thing that the unwinder knows too:
// where on the stack the call began.
//
//===----------------------------------------------------------------------===//

#include "call_entry.h"
#include "error.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <mutex>
#include <sys/mman.h>
#include <vector>

using namespace llvm;

namespace fromsource {

/// What the code of an entry reads and writes.
struct CallPlace {
  uint64_t Stack;
  uint64_t Target;
};

struct CallEntry {
  uint64_t Code;
  CallPlace *Place;
  bool IsTaken = false;
  std::string Failure;
  /// The thread that started the call.
  const void *Starter = nullptr;
};

static constexpr size_t CodeSize = 32;

static std::mutex Mutex;
static std::deque<CallEntry> Entries;

namespace {
/// A worker that is terminated ends no call; its thread ends when none of them
/// runs any more.
struct Starter {
  ~Starter() {
    std::lock_guard<std::mutex> Lock(Mutex);
    for (CallEntry &E : Entries)
      if (E.Starter == this)
        E.IsTaken = false;
  }
};
} // namespace

/// `mov %rsp, stack(%rip); jmp *target(%rip)`
static void writeCode(char *Code, CallPlace *Place) {
  auto Distance = [&](void *To, int From) {
    return static_cast<int32_t>(static_cast<char *>(To) - (Code + From));
  };
  int32_t Stack = Distance(&Place->Stack, 7);
  int32_t Target = Distance(&Place->Target, 13);
  memcpy(Code, "\x48\x89\x25", 3);
  memcpy(Code + 3, &Stack, 4);
  memcpy(Code + 7, "\xff\x25", 2);
  memcpy(Code + 9, &Target, 4);
}

/// A page of code, and one of places; they stay.
static Error addEntries(Slab &S) {
  auto Area = S.allocate(2 * S.pageSize(), S.pageSize());
  if (!Area)
    return Area.takeError();
  auto *Places = reinterpret_cast<CallPlace *>(*Area + S.pageSize());
  for (size_t I = 0; I != S.pageSize() / CodeSize; ++I) {
    char *Code = *Area + I * CodeSize;
    writeCode(Code, Places + I);
    CallEntry &New = Entries.emplace_back();
    New.Code = reinterpret_cast<uint64_t>(Code);
    New.Place = Places + I;
  }
  if (mprotect(*Area, S.pageSize(), PROT_READ | PROT_EXEC) != 0)
    return makeError(FS_ERROR_MEMORY_DENIED,
                     Twine("could not protect the entries of calls: ") +
                         strerror(errno));
  return Error::success();
}

Expected<uint64_t> beginCall(Slab &S, uint64_t Target, uint64_t Most) {
  static thread_local Starter Self;
  std::lock_guard<std::mutex> Lock(Mutex);
  auto Taken = [](const CallEntry &E) { return E.IsTaken; };
  if (static_cast<uint64_t>(llvm::count_if(Entries, Taken)) >= Most)
    return 0;
  auto Free = std::find_if(Entries.begin(), Entries.end(),
                           [](const CallEntry &E) { return !E.IsTaken; });
  if (Free == Entries.end()) {
    size_t Known = Entries.size();
    if (Error Err = addEntries(S))
      return Err;
    Free = Entries.begin() + Known;
  }
  Free->IsTaken = true;
  Free->Starter = &Self;
  *Free->Place = {0, Target};
  return Free->Code;
}

std::string endCall(uint64_t Code) {
  std::lock_guard<std::mutex> Lock(Mutex);
  for (CallEntry &E : Entries)
    if (E.Code == Code) {
      E.IsTaken = false;
      return std::exchange(E.Failure, {});
    }
  return {};
}

bool isInCall(uint64_t Stack) {
  // No stack that a call from JavaScript is given is larger.
  constexpr uint64_t MostBytes = 64 << 20;
  std::lock_guard<std::mutex> Lock(Mutex);
  return std::any_of(Entries.begin(), Entries.end(), [&](const CallEntry &E) {
    return E.IsTaken && E.Place->Stack >= Stack &&
           E.Place->Stack - Stack < MostBytes;
  });
}

bool failCall(uint64_t Stack, const std::string &Failure) {
  std::lock_guard<std::mutex> Lock(Mutex);
  for (CallEntry &E : Entries)
    // The address of what it returns to; above that the stack is its caller's.
    if (E.IsTaken && E.Place->Stack + 8 == Stack) {
      E.Failure = Failure;
      return true;
    }
  return false;
}

} // namespace fromsource
