//===- main.cpp - A clang that stays --------------------------------------===//
//
// Serves compile requests until its stdin ends; protocol.h says how. Writes no
// files, and has no options but --version. clang 22 is linked in, so that
// nothing but the work itself is left to do for a request: a new process
// spends 20 ms before its first line.
//
// Exit codes: 0 stdin ended, 1 the system refused something, or the last
// answer was a fatal error or the memory limit, 3 another protocol, 4 a bad
// frame, 128 + n a crash by signal n.
//
//===----------------------------------------------------------------------===//

#include "assembler_files.h"
#include "channel.h"
#include "compile.h"
#include "guard.h"
#include "clang/Basic/Stack.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/TargetSelect.h"
#include <cstdio>
#include <cstring>
#include <malloc.h>
#include <pthread.h>

using namespace fromsource;

/// 3,000 nested parentheses or 20,000 nested ifs overflow the usual 8 MiB.
static constexpr size_t StackBytes = 64 << 20;

static void *compileAll(void *To) {
  guardThisThread();
  // As in clang's main: from 8 MiB on, templates warn and go on elsewhere.
  clang::noteBottomOfStack(/*ForceSet=*/true);
  Compiler Clang(*static_cast<Channel *>(To));
  for (;;)
    Clang.serve(static_cast<Channel *>(To)->next());
}

int main(int ArgCount, char **Args) {
  if (ArgCount == 2 && strcmp(Args[1], "--version") == 0) {
    printf("fromsource-clang-driver, LLVM " LLVM_VERSION_STRING
           ", protocol %d\n",
           ProtocolVersion);
    return 0;
  }
  if (ArgCount != 1) {
    fprintf(stderr, "usage: fromsource-clang-driver [--version]\n");
    return 2;
  }
  // The heap of one compile is kept for the next: giving it back and taking it
  // again costs a page fault for every 4 KiB.
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 8 << 20);
  mallopt(M_TRIM_THRESHOLD, 128 << 20);
  mallopt(M_TOP_PAD, 1 << 20);

  Channel To;
  installGuards(To);
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeX86AsmParser();
  AssemblerFiles::install();

  pthread_attr_t Attributes;
  pthread_t Thread;
  pthread_attr_init(&Attributes);
  pthread_attr_setstacksize(&Attributes, StackBytes);
  if (pthread_create(&Thread, &Attributes, compileAll, &To) != 0)
    endWith(1, "can't start the compiling thread");
  To.start();
  pthread_join(Thread, nullptr);
}
