//===- guard.cpp - What happens when clang fails --------------------------===//

#include "guard.h"
#include "channel.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/raw_ostream.h"
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace llvm;

namespace fromsource {

namespace {
struct Crash {
  int Signal;
  const char *Name;
};
} // namespace

static constexpr Crash Crashes[] = {
    {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGILL, "SIGILL"},
    {SIGFPE, "SIGFPE"},   {SIGABRT, "SIGABRT"}, {SIGTRAP, "SIGTRAP"},
    {SIGSYS, "SIGSYS"},   {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"},
};

/// Made before the request runs: nothing may be allocated when it is said.
struct LastWords {
  int64_t Id = 0;
  std::string Memory;
  const std::string *Printed[2] = {nullptr, nullptr};
};

static LastWords Words;
/// Whether a request runs, whose answer has not begun to be sent.
static std::atomic<bool> Answerable{false};
static int Out = -1;
static rlimit InitialLimit = {RLIM_INFINITY, RLIM_INFINITY};

static void say(const char *Data, size_t Size) {
  while (Size > 0) {
    ssize_t Count = write(Out, Data, Size);
    if (Count <= 0)
      return;
    Data += Count;
    Size -= Count;
  }
}

static void onCrash(int Signal) {
  char Frame[256];
  if (Answerable.exchange(false))
    for (const Crash &Each : Crashes)
      if (Each.Signal == Signal)
        say(Frame, encodeCrash(Words.Id, Each.Name, Frame));
  _exit(128 + Signal);
}

static void onNoMemory() {
  if (Answerable.exchange(false))
    say(Words.Memory.data(), Words.Memory.size());
  _exit(1);
}

/// What one-shot clang prints and then exits; much of it the source is to
/// blame for, such as inline assembly that can't be selected.
static void onFatalError(void *, const char *Reason, bool) {
  if (!Answerable.exchange(false))
    _exit(1);
  Answer Last;
  for (const std::string *Text : Words.Printed)
    Last.Stderr += Text ? *Text : "";
  Last.Stderr += std::string("fatal error: error in backend: ") + Reason + "\n";
  EncodedFrame Frame = encodeAnswer(Words.Id, Last);
  say(Frame.Head.data(), Frame.Head.size());
  say(Last.Stderr.data(), Last.Stderr.size());
  _exit(1);
}

void installGuards(const Channel &To) {
  Out = To.outputDescriptor();
  getrlimit(RLIMIT_AS, &InitialLimit);
  signal(SIGPIPE, SIG_IGN);
  for (const Crash &Each : Crashes) {
    struct sigaction Action = {};
    Action.sa_handler = onCrash;
    Action.sa_flags = SA_ONSTACK;
    sigaction(Each.Signal, &Action, nullptr);
  }
  std::set_new_handler(onNoMemory);
  install_bad_alloc_error_handler(
      [](void *, const char *, bool) { onNoMemory(); });
  install_fatal_error_handler(onFatalError);
}

void guardThisThread() {
  constexpr size_t Size = 64 * 1024;
  stack_t Stack = {};
  Stack.ss_sp = mmap(nullptr, Size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  Stack.ss_size = Size;
  if (Stack.ss_sp != MAP_FAILED)
    sigaltstack(&Stack, nullptr);
}

static void limitAddressSpace(rlim_t Bytes) {
  rlimit Limit = {std::min(Bytes, InitialLimit.rlim_cur),
                  InitialLimit.rlim_max};
  setrlimit(RLIMIT_AS, &Limit);
}

RequestGuard::RequestGuard(int64_t Id, uint64_t MaxBytes) {
  Words.Id = Id;
  Answer NoMemory;
  NoMemory.Status = Status::Memory;
  NoMemory.Reason = "the compile needs more memory than its limit";
  NoMemory.Resident = MemoryUse::now().Resident;
  NoMemory.Peak = NoMemory.Resident + MaxBytes;
  Words.Memory = encodeAnswer(Id, NoMemory).Head;
  Answerable = true;
  if (MaxBytes > 0)
    limitAddressSpace(MemoryUse::now().Mapped + MaxBytes);
}

void RequestGuard::setPrinted(const std::string *Driver,
                              const std::string *Compile) {
  Words.Printed[0] = Driver;
  Words.Printed[1] = Compile;
}

RequestGuard::~RequestGuard() {
  Answerable = false;
  setPrinted(nullptr, nullptr);
  limitAddressSpace(InitialLimit.rlim_cur);
}

MemoryUse MemoryUse::now() {
  static const int File = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  static const uint64_t Page = sysconf(_SC_PAGESIZE);
  char Text[128];
  ssize_t Size = pread(File, Text, sizeof(Text) - 1, 0);
  Text[std::max<ssize_t>(Size, 0)] = '\0';
  unsigned long long Mapped = 0, Resident = 0;
  sscanf(Text, "%llu %llu", &Mapped, &Resident);
  return {Mapped * Page, Resident * Page};
}

} // namespace fromsource
