//===- session.h - The one ORC session of the process -----------*- C++ -*-===//

#ifndef FROMSOURCE_SESSION_H
#define FROMSOURCE_SESSION_H

#include "cpu_info.h"
#include "process_symbols.h"
#include "slab_memory.h"
#include "llvm/ExecutionEngine/Orc/Core.h"
#include "llvm/ExecutionEngine/Orc/LinkGraphLinkingLayer.h"
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

struct fs_dylib;

/// Made once per process and never destroyed: JIT code may run until the very
/// end. Any thread may call.
struct fs_session {
  static llvm::Expected<fs_session *> get(uint64_t SlabBytes);
  /// Null when there is none.
  static fs_session *existing();

  llvm::orc::ExecutionSession &orc() { return *ES; }
  llvm::orc::LinkGraphLinkingLayer &layer() { return *Layer; }
  fromsource::ProcessSymbols &process() { return Process; }
  fromsource::Slab &slab() { return *Memory; }
  uint64_t bytesInUse() const;

  fromsource::CpuInfo *cpu() { return Cpu; }

  /// A word that is a dylib's `__dso_handle`, which compiled code addresses
  /// directly: it must lie in the slab.
  llvm::Expected<void *> takeDsoHandle();
  void giveBackDsoHandle(void *Handle);

  /// The live dylibs that have finalisers, in the order of initialisation.
  void addFinalisable(fs_dylib *Dylib);
  void removeFinalisable(fs_dylib *Dylib);
  std::vector<fs_dylib *> finalisable();

  uint64_t nextNumber() { return ++Numbers; }
  /// The pool keeps every name it has seen until it is told to look.
  void dropUnusedNames();

private:
  fs_session() = default;
  llvm::Error start(uint64_t SlabBytes);

  std::unique_ptr<fromsource::Slab> Memory;
  fromsource::CpuInfo *Cpu = nullptr;
  std::unique_ptr<llvm::orc::ExecutionSession> ES;
  std::unique_ptr<llvm::orc::LinkGraphLinkingLayer> Layer;
  fromsource::ProcessSymbols Process;
  std::atomic<uint64_t> Numbers{0};
  std::atomic<uint64_t> Removals{0};

  std::mutex Mutex;
  void **Handles = nullptr;
  size_t HandlesUsed = 0;
  std::vector<void *> FreeHandles;
  std::vector<fs_dylib *> Finalisable;
};

#endif // FROMSOURCE_SESSION_H
