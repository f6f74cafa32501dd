//===- stubs.cpp - Functions that are there when they are called ----------===//
//
// ORC's lazyReexports does not fit: its reentry either needs orc_rt, or asks by
// a lookup, whose answer comes on the thread that links, where initialisers
// must not run; and a symbol that failed once fails for good.
//
//===----------------------------------------------------------------------===//

#include "stubs.h"
#include "error.h"
#include "reentry.h"
#include <cerrno>
#include <chrono>
#include <cstring>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace llvm;

namespace fromsource {

/// `jmp *slot(%rip)`; and what the slot leads to at first:
/// `movabs $stub, %r11; jmp *reenter(%rip)`.
static constexpr size_t CodeSize = 32;
static constexpr size_t FirstOffset = 6;

/// A page of code, and behind it one of slots, of which the first is the way
/// to `reenter`.
static size_t stubsPerPage(const Slab &S) { return S.pageSize() / CodeSize; }

static void jumpThrough(char *Code, void **Slot) {
  Code[0] = '\xff';
  Code[1] = '\x25';
  auto Distance =
      static_cast<int32_t>(reinterpret_cast<char *>(Slot) - (Code + 6));
  memcpy(Code + 2, &Distance, 4);
}

Stubs::~Stubs() {
  for (char *P : Pages)
    S.release(P, 2 * S.pageSize());
}

/// All code of the page is written here, so that it is never both writable and
/// executable.
Error Stubs::addPages() {
  auto Area = S.allocate(2 * S.pageSize(), S.pageSize());
  if (!Area)
    return Area.takeError();
  Pages.push_back(*Area);
  auto **Slots = reinterpret_cast<void **>(*Area + S.pageSize());
  Slots[0] = reinterpret_cast<void *>(fs_stub_reenter);
  for (size_t I = 0; I != stubsPerPage(S); ++I) {
    char *Code = *Area + I * CodeSize;
    Stub &New = All.emplace_back();
    Stub *Self = &New;
    New.Owner = this;
    New.Slot = Slots + 1 + I;
    New.Entry = reinterpret_cast<uint64_t>(Code);
    *New.Slot = Code + FirstOffset;
    jumpThrough(Code, New.Slot);
    Code[FirstOffset] = '\x49';
    Code[FirstOffset + 1] = '\xbb';
    memcpy(Code + FirstOffset + 2, &Self, 8);
    jumpThrough(Code + FirstOffset + 10, Slots);
  }
  if (mprotect(*Area, S.pageSize(), PROT_READ | PROT_EXEC) != 0)
    return makeError(FS_ERROR_MEMORY_DENIED,
                     Twine("could not protect the stubs: ") + strerror(errno));
  return Error::success();
}

Expected<Stub *> Stubs::find(StringRef Name) {
  Stub *&Known = ByName[Name];
  if (!Known) {
    if (Used == All.size())
      if (Error Err = addPages())
        return Err;
    Known = &All[Used++];
    Known->Name = Name.str();
  }
  return Known;
}

Expected<uint64_t> Stubs::use(StringRef Name) {
  std::lock_guard<std::mutex> Lock(Mutex);
  auto Found = find(Name);
  if (!Found)
    return Found.takeError();
  (*Found)->IsUsed = true;
  return (*Found)->Entry;
}

uint64_t Stubs::used(StringRef Name) {
  std::lock_guard<std::mutex> Lock(Mutex);
  auto I = ByName.find(Name);
  return I != ByName.end() && I->second && I->second->IsUsed ? I->second->Entry
                                                             : 0;
}

std::vector<std::string> Stubs::open() {
  std::lock_guard<std::mutex> Lock(Mutex);
  std::vector<std::string> Names;
  for (auto &Entry : ByName)
    if (Entry.second && !Entry.second->Address)
      Names.push_back(Entry.second->Name);
  return Names;
}

Error Stubs::define(StringRef Name, uint64_t Address, bool IsFunction) {
  std::lock_guard<std::mutex> Lock(Mutex);
  auto Found = find(Name);
  if (!Found)
    return Found.takeError();
  Stub &Known = **Found;
  if (!IsFunction && Known.IsUsed)
    return makeError(FS_ERROR_UNSUPPORTED,
                     Name + " is data, and a file that was linked before takes "
                            "it for a function");
  Known.Address = Address;
  Known.IsFunction = IsFunction;
  Fresh.push_back(&Known);
  return Error::success();
}

std::vector<Stub *> Stubs::takeFresh() {
  std::lock_guard<std::mutex> Lock(Mutex);
  return std::exchange(Fresh, {});
}

void Stubs::publish(const std::vector<Stub *> &Initialised) {
  for (Stub *Each : Initialised)
    if (Each->IsFunction)
      __atomic_store_n(Each->Slot, reinterpret_cast<void *>(Each->Address),
                       __ATOMIC_RELEASE);
}

/// At the end of a process, or of the thread that owns the library, nobody
/// answers any more, and who waits must not hold that up.
static bool isRead(int Pipe) {
  pollfd P{Pipe, 0, 0};
  return poll(&P, 1, 0) <= 0 || !(P.revents & (POLLERR | POLLNVAL));
}

/// The dylib, what it is about, and the text, which may have lines: a zero ends
/// it. Under the lock, so that it stays whole.
Error Stubs::write(char About, StringRef Text) {
  std::string Message = (Twine(Owner) + Twine(About) + Text).str();
  Message += '\0';
  for (size_t Written = 0; Written != Message.size();) {
    ssize_t Count =
        ::write(Requests, Message.data() + Written, Message.size() - Written);
    if (Count < 0 && errno == EINTR)
      continue;
    if (Count < 0)
      return makeError(FS_ERROR_INTERNAL,
                       Twine("the thread that compiles has ended: ") +
                           strerror(errno));
    Written += Count;
  }
  return Error::success();
}

void Stubs::report(StringRef Failure) {
  std::lock_guard<std::mutex> Lock(Mutex);
  consumeError(write('!', Failure));
}

Expected<uint64_t> Stubs::resolve(StringRef Name) {
  Stub *Wanted;
  {
    std::lock_guard<std::mutex> Lock(Mutex);
    auto Found = find(Name);
    if (!Found)
      return Found.takeError();
    Wanted = *Found;
  }
  return resolve(*Wanted);
}

Expected<uint64_t> Stubs::resolve(Stub &Wanted) {
  {
    std::unique_lock<std::mutex> Lock(Mutex);
    if (!Wanted.Address) {
      // Under the lock, the answer comes after.
      if (!Wanted.IsAsked)
        if (Error Err = write('?', Wanted.Name))
          return Err;
      Wanted.IsAsked = true;
      uint64_t Before = Wanted.Answers;
      while (!Answered.wait_for(Lock, std::chrono::milliseconds(100),
                                [&] { return Wanted.Answers != Before; }))
        if (!isRead(Requests))
          return makeError(FS_ERROR_INTERNAL, "the thread that compiles ended");
      if (!Wanted.Address)
        return makeError(FS_ERROR_NOT_BUILT, Wanted.Failure);
    }
  }
  if (Error Err = Initialise())
    return Err;
  return Wanted.Address;
}

void Stubs::answer(StringRef Name, StringRef Failure) {
  {
    std::lock_guard<std::mutex> Lock(Mutex);
    auto I = ByName.find(Name);
    if (I == ByName.end())
      return;
    Stub &Known = *I->second;
    Known.IsAsked = false;
    Known.Failure = Failure.str();
    ++Known.Answers;
  }
  Answered.notify_all();
}

} // namespace fromsource
