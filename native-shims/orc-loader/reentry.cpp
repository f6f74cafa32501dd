//===- reentry.cpp - From JIT code into the shim and back -----------------===//
//
// A call of a stub comes here with its arguments in place. They are kept while
// the definition is made, and then it is jumped to, as if the caller had called
// it. When there is none, the caller can't be given a result: the stack is
// unwound, with all destructors, up to the code that called from JavaScript,
// which sees a function that has returned 0.
//
//===----------------------------------------------------------------------===//

#include "reentry.h"
#include "call_entry.h"
#include "error.h"
#include "stubs.h"
#include <atomic>
#include <cerrno>
#include <cpuid.h>
#include <cstdio>
#include <dlfcn.h>
#include <exception>
#include <pthread.h>
#include <unwind.h>

using namespace llvm;
using namespace fromsource;

/// Bytes that xsave needs; 0 where only fxsave is there.
extern "C" {
__attribute__((visibility("hidden"), used)) uint64_t fs_stub_state_size = 0;
__attribute__((visibility("hidden"), used)) void *
fs_stub_landing(Stub *Wanted) noexcept;
struct Registers {
  uint64_t Rbx, Rbp, R12, R13, R14, R15, Rsp, Rip;
};
[[noreturn]] __attribute__((visibility("hidden"))) void
fs_stub_return(const Registers *From);
}

__attribute__((constructor)) static void measureState() {
  unsigned A, B, C, D;
  if (!__get_cpuid(1, &A, &B, &C, &D) || !(C & bit_OSXSAVE))
    return;
  if (__get_cpuid_count(13, 0, &A, &B, &C, &D))
    fs_stub_state_size = B;
}

// Vector registers hold arguments; 0xe6 are the components SSE, AVX and
// AVX-512, of which the processor saves those that the system has enabled.
asm(R"(
  .text
  .p2align 4
  .globl fs_stub_reenter
  .hidden fs_stub_reenter
  .type fs_stub_reenter, @function
fs_stub_reenter:
  .cfi_startproc
  pushq %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset %rbp, -16
  movq %rsp, %rbp
  .cfi_def_cfa_register %rbp
  pushq %rdi
  pushq %rsi
  pushq %rdx
  pushq %rcx
  pushq %r8
  pushq %r9
  pushq %rax
  pushq %r10
  movq fs_stub_state_size(%rip), %rcx
  testq %rcx, %rcx
  jz 1f
  subq %rcx, %rsp
  andq $-64, %rsp
  xorl %eax, %eax
  movq %rax, 512(%rsp)
  movq %rax, 520(%rsp)
  movq %rax, 528(%rsp)
  movq %rax, 536(%rsp)
  movq %rax, 544(%rsp)
  movq %rax, 552(%rsp)
  movq %rax, 560(%rsp)
  movq %rax, 568(%rsp)
  movl $0xe6, %eax
  xorl %edx, %edx
  xsave (%rsp)
  movq %r11, %rdi
  call fs_stub_landing
  movq %rax, %r11
  movl $0xe6, %eax
  xorl %edx, %edx
  xrstor (%rsp)
  jmp 2f
1:
  subq $512, %rsp
  andq $-64, %rsp
  fxsave64 (%rsp)
  movq %r11, %rdi
  call fs_stub_landing
  movq %rax, %r11
  fxrstor64 (%rsp)
2:
  leaq -64(%rbp), %rsp
  popq %r10
  popq %rax
  popq %r9
  popq %r8
  popq %rcx
  popq %rdx
  popq %rsi
  popq %rdi
  popq %rbp
  .cfi_def_cfa %rsp, 8
  jmpq *%r11
  .cfi_endproc
  .size fs_stub_reenter, .-fs_stub_reenter

  .p2align 4
  .globl fs_stub_return
  .hidden fs_stub_return
  .type fs_stub_return, @function
fs_stub_return:
  .cfi_startproc
  .cfi_undefined %rip
  movq 0(%rdi), %rbx
  movq 8(%rdi), %rbp
  movq 16(%rdi), %r12
  movq 24(%rdi), %r13
  movq 32(%rdi), %r14
  movq 40(%rdi), %r15
  movq 56(%rdi), %r11
  movq 48(%rdi), %rsp
  xorl %eax, %eax
  xorl %edx, %edx
  xorps %xmm0, %xmm0
  xorps %xmm1, %xmm1
  jmpq *%r11
  .cfi_endproc
  .size fs_stub_return, .-fs_stub_return
)");

static std::atomic<void *> Boundary{nullptr};

/// Of this thread: why it unwinds, until the code at the boundary asks for it.
static thread_local std::string *Reason = nullptr;
static thread_local uint32_t Escapes = 0;
static thread_local bool IsJavaScript = false;
/// Of this thread: whose stub it has come to.
static thread_local Stubs *Owner = nullptr;

static void *moduleOf(const void *Address) {
  Dl_info Info;
  return dladdr(Address, &Info) ? Info.dli_fbase : nullptr;
}

void fromsource::setBoundary(const void *AddressInModule) {
  Boundary = moduleOf(AddressInModule);
}

const uint32_t *fromsource::escapeCount() {
  IsJavaScript = true;
  return &Escapes;
}

std::string fromsource::takeEscape() {
  std::unique_ptr<std::string> Taken(std::exchange(Reason, nullptr));
  return Taken ? std::move(*Taken) : std::string();
}

static _Unwind_Reason_Code look(_Unwind_Context *Context, void *Found) {
  auto *Address = reinterpret_cast<char *>(_Unwind_GetIP(Context));
  if (!Address || moduleOf(Address - 1) != Boundary)
    return _URC_NO_REASON;
  *static_cast<bool *>(Found) = true;
  return _URC_END_OF_STACK;
}

/// Whether the thread is one that the library has made.
static bool isOfLibrary() {
  bool IsCalled = false;
  _Unwind_Backtrace(look, &IsCalled);
  return !IsCalled && !IsJavaScript &&
         !isInCall(reinterpret_cast<uint64_t>(__builtin_frame_address(0)));
}

/// Called for each frame, before its destructors run.
static _Unwind_Reason_Code stop(int, _Unwind_Action Actions,
                                _Unwind_Exception_Class,
                                _Unwind_Exception *Exception,
                                _Unwind_Context *Context, void *) {
  auto *Address = reinterpret_cast<char *>(_Unwind_GetIP(Context));
  if (Address && moduleOf(Address - 1) == Boundary) {
    Registers To{_Unwind_GetGR(Context, 3),  _Unwind_GetGR(Context, 6),
                 _Unwind_GetGR(Context, 12), _Unwind_GetGR(Context, 13),
                 _Unwind_GetGR(Context, 14), _Unwind_GetGR(Context, 15),
                 _Unwind_GetCFA(Context),    _Unwind_GetIP(Context)};
    delete Exception;
    if (Reason && failCall(To.Rsp, *Reason))
      takeEscape();
    else
      ++Escapes;
    fs_stub_return(&To);
  }
  if (!(Actions & _UA_END_OF_STACK))
    return _URC_NO_REASON;
  // As with any exception that nothing catches.
  fprintf(stderr,
          "fromsource: a function could not be compiled when it was called, "
          "and a caller has no unwind tables: %s\n",
          Reason ? Reason->c_str() : "");
  std::terminate();
}

/// The arguments are those of the function that is not there; they don't
/// matter.
[[noreturn]] static void escape() {
  if (isOfLibrary()) {
    // Nobody has called it who could be told. Its destructors run; whoever
    // joins it goes on.
    Owner->report(takeEscape());
    pthread_exit(nullptr);
  }
  auto *Exception = new _Unwind_Exception();
  Exception->exception_class = 0x66726f6d73726300; // "fromsrc"
  Exception->exception_cleanup = [](_Unwind_Reason_Code,
                                    _Unwind_Exception *Caught) {
    // A `catch (...)` has kept it: the program goes on.
    takeEscape();
    delete Caught;
  };
  _Unwind_ForcedUnwind(Exception, stop, nullptr);
  std::terminate();
}

void *fs_stub_landing(Stub *Wanted) noexcept {
  int Errno = errno;
  void *To;
  auto Address = Wanted->Owner->resolve(*Wanted);
  if (Address) {
    To = reinterpret_cast<void *>(*Address);
  } else {
    Owner = Wanted->Owner;
    delete Reason;
    Reason = new std::string(toString(Address.takeError()));
    To = reinterpret_cast<void *>(escape);
  }
  errno = Errno;
  return To;
}
