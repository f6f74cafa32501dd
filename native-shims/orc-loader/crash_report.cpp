//===- crash_report.cpp - What a fatal signal says ------------------------===//
//
// From the signal on nothing here allocates or locks; the unwinder of libgcc
// may lock, so what is known without it is written first. Node's own handler
// (V8's, for faults in WebAssembly) gets every signal that is not a library's
// fault, and the others when the report is written: it ends the process.
//
//===----------------------------------------------------------------------===//

#include "crash_report.h"
#include "crash_code.h"
#include "signal_line.h"
#include "llvm/ADT/StringRef.h"
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <mutex>
#include <sys/mman.h>
#include <ucontext.h>
#include <unwind.h>
#include <utility>

using namespace llvm;

namespace fromsource {

namespace {

constexpr size_t MostFrames = 48;
constexpr size_t SignalStackBytes = 128 << 10;

constexpr int Signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
constexpr const char *SignalNames[] = {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE",
                                       "SIGABRT"};
constexpr size_t SignalCount = sizeof(Signals) / sizeof(Signals[0]);

struct sigaction Previous[SignalCount];
std::atomic<bool> Reporting{false};
std::mutex InstallMutex;
bool Installed = false;
/// Of the program itself: Node, when it is not a library's fault.
const void *MainProgram = nullptr;

/// "inner+0x12 (vec.c:2)"
void place(Line &L, const CrashCode &C, uint64_t Pc, uint64_t Shown) {
  if (const fs_code_function *F = C.functionAt(Pc))
    L.text(C.textAt(F->name)).text("+").hex(Shown - F->from);
  else
    L.hex(Shown);
  if (const fs_code_line *Row = C.lineAt(Pc))
    L.text(" (")
        .text(C.textAt(Row->file))
        .text(":")
        .number(Row->line, 10)
        .text(")");
}

#ifdef DLFO_STRUCT_HAS_EH_DBASE
// Without a lock, which dladdr takes. glibc has it since 2.35.
extern "C" __attribute__((weak)) int _dl_find_object(void *,
                                                     struct dl_find_object *);
#endif

const link_map *moduleOf(uint64_t Pc) {
  void *Address = reinterpret_cast<void *>(Pc);
#ifdef DLFO_STRUCT_HAS_EH_DBASE
  struct dl_find_object Found;
  if (_dl_find_object)
    return _dl_find_object(Address, &Found) == 0 ? Found.dlfo_link_map
                                                 : nullptr;
#endif
  Dl_info Info;
  void *Map = nullptr;
  return dladdr1(Address, &Info, &Map, RTLD_DL_LINKMAP)
             ? static_cast<const link_map *>(Map)
             : nullptr;
}

const char *nameOf(const link_map &M) {
  const char *Slash = strrchr(M.l_name, '/');
  return *M.l_name == 0 ? "node" : Slash ? Slash + 1 : M.l_name;
}

/// Innermost first. All but the first are addresses to return to.
struct Stack {
  uint64_t Fault;
  uint64_t Frames[MostFrames];
  size_t Count = 0;
  bool Seen = false;

  /// For code that is known by the instruction that was at work.
  uint64_t pc(size_t I) const { return I == 0 ? Frames[0] : Frames[I] - 1; }
};

_Unwind_Reason_Code addFrame(_Unwind_Context *Context, void *Argument) {
  auto &S = *static_cast<Stack *>(Argument);
  int Exact = 0;
  uint64_t Pc = _Unwind_GetIPInfo(Context, &Exact);
  // Before it come the frames of the handler.
  if (!S.Seen) {
    S.Seen = Pc == S.Fault;
    return _URC_NO_REASON;
  }
  if (S.Count == MostFrames)
    return _URC_END_OF_STACK;
  S.Frames[S.Count++] = Pc;
  return _URC_NO_REASON;
}

void walk(Stack &S, const ucontext_t &Context, bool IsBadCall) {
  S.Frames[S.Count++] = S.Fault;
  if (IsBadCall) {
    // No function is there that could be unwound, but it was just called.
    S.Frames[S.Count++] =
        *reinterpret_cast<uint64_t *>(Context.uc_mcontext.gregs[REG_RSP]);
    return;
  }
  _Unwind_Backtrace(addFrame, &S);
}

/// The innermost frame of a library, if only the system's libraries, which it
/// called, are above it; else none, and it is Node's fault or JavaScript's.
const CrashCode *culprit(const Stack &S, bool IsBadCall, size_t &Frame) {
  for (size_t I = 0; I != S.Count; ++I) {
    if (const CrashCode *C = codeAt(S.pc(I))) {
      Frame = I;
      return C;
    }
    if (I == 0 && IsBadCall)
      continue;
    const link_map *Module = moduleOf(S.pc(I));
    // The last are addons: koffi is between a callback and who calls it.
    if (!Module || Module == MainProgram ||
        StringRef(nameOf(*Module)).ends_with(".node"))
      return nullptr;
  }
  return nullptr;
}

void report(size_t Signal, const siginfo_t &Info, const Stack &S,
            const CrashCode &C, size_t Frame) {
  {
    Line L;
    L.text("\nfromsource: ").text(SignalNames[Signal]);
    if (Info.si_code > 0 && Signals[Signal] != SIGABRT)
      L.text(Signals[Signal] == SIGSEGV || Signals[Signal] == SIGBUS
                 ? " at address "
                 : " at instruction ")
          .hex(reinterpret_cast<uint64_t>(Info.si_addr));
    L.text(" in the native code of the library \"")
        .text(C.Library.c_str())
        .text("\"");
  }
  {
    Line L;
    L.text("  in ");
    place(L, C, S.pc(Frame), S.Frames[Frame]);
    if (Frame > 0)
      if (const link_map *Module = moduleOf(S.pc(0)))
        L.text(", which called into ").text(nameOf(*Module));
  }

  size_t Outermost = Frame;
  for (size_t I = Frame; I != S.Count; ++I)
    if (codeAt(S.pc(I)))
      Outermost = I;
  Line().text("  native stack, innermost first:");
  for (size_t I = 0; I <= Outermost; ++I) {
    Line L;
    L.text("    #").number(I, 10).text(" ");
    if (const CrashCode *Code = codeAt(S.pc(I))) {
      place(L, *Code, S.pc(I), S.Frames[I]);
      L.text(" in ").text(Code->Library.c_str());
    } else if (const link_map *Module = moduleOf(S.pc(I)))
      L.text(nameOf(*Module)).text("+").hex(S.Frames[I] - Module->l_addr);
    else
      L.hex(S.Frames[I]);
  }
  if (S.Count == MostFrames) {
    Line().text("    … and more: the stack may have overflown");
    return;
  }
  const CrashCode *Last = codeAt(S.pc(Outermost));
  if (const fs_code_function *F =
          Last ? Last->functionAt(S.pc(Outermost)) : nullptr)
    Line()
        .text("  JavaScript called ")
        .text(Last->textAt(F->name))
        .text(" of ")
        .text(Last->Library.c_str());
}

void chain(size_t Signal, siginfo_t *Info, void *Context) {
  const struct sigaction &To = Previous[Signal];
  if ((To.sa_flags & SA_SIGINFO) && To.sa_sigaction) {
    To.sa_sigaction(Signals[Signal], Info, Context);
    return;
  }
  if (To.sa_handler == SIG_IGN && Info->si_code <= 0)
    return;
  if (To.sa_handler != SIG_DFL && To.sa_handler != SIG_IGN) {
    To.sa_handler(Signals[Signal]);
    return;
  }
  // Delivered when this handler returns.
  signal(Signals[Signal], SIG_DFL);
  raise(Signals[Signal]);
}

void onSignal(int Number, siginfo_t *Info, void *Context) {
  size_t Signal = std::find(Signals, Signals + SignalCount, Number) - Signals;
  auto &Machine = *static_cast<ucontext_t *>(Context);
  uint64_t Pc = Machine.uc_mcontext.gregs[REG_RIP];
  bool IsFault = Info->si_code > 0;
  bool IsBadCall = IsFault && Number == SIGSEGV && !codeAt(Pc) &&
                   Pc == reinterpret_cast<uint64_t>(Info->si_addr);
  // JavaScript's code is in no file: a fault there may be one that V8 expects.
  bool MayBeOurs = IsBadCall || codeAt(Pc) || moduleOf(Pc);
  if (MayBeOurs && !Reporting.exchange(true)) {
    Stack S;
    S.Fault = Pc;
    walk(S, Machine, IsBadCall);
    size_t Frame = 0;
    if (const CrashCode *C = culprit(S, IsBadCall, Frame))
      report(Signal, *Info, S, *C, Frame);
    Reporting = false;
  }
  chain(Signal, Info, Context);
}

/// A stack that has overflown has no room for a handler.
struct SignalStack {
  void *Memory = MAP_FAILED;

  void provide() {
    stack_t Old;
    if (Memory != MAP_FAILED || sigaltstack(nullptr, &Old) != 0 ||
        !(Old.ss_flags & SS_DISABLE))
      return;
    Memory = mmap(nullptr, SignalStackBytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t New = {};
    New.ss_sp = Memory;
    New.ss_size = SignalStackBytes;
    if (Memory != MAP_FAILED)
      sigaltstack(&New, nullptr);
  }
  ~SignalStack() {
    if (Memory == MAP_FAILED)
      return;
    stack_t Off = {};
    Off.ss_flags = SS_DISABLE;
    sigaltstack(&Off, nullptr);
    munmap(Memory, SignalStackBytes);
  }
};

thread_local SignalStack ThreadStack;

/// The unwinder opens libgcc's tables at its first use.
_Unwind_Reason_Code stopAtOnce(_Unwind_Context *, void *) {
  return _URC_END_OF_STACK;
}

} // namespace

void reportCrashes() {
  ThreadStack.provide();
  std::lock_guard<std::mutex> Lock(InstallMutex);
  if (std::exchange(Installed, true))
    return;
  MainProgram = dlopen(nullptr, RTLD_NOW | RTLD_NOLOAD);
  _Unwind_Backtrace(stopAtOnce, nullptr);
  struct sigaction Action = {};
  Action.sa_sigaction = onSignal;
  Action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (size_t I = 0; I != SignalCount; ++I)
    sigaction(Signals[I], &Action, &Previous[I]);
}

} // namespace fromsource
