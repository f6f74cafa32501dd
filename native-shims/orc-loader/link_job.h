//===- link_job.h - One object on its way into a dylib ----------*- C++ -*-===//

#ifndef FROMSOURCE_LINK_JOB_H
#define FROMSOURCE_LINK_JOB_H

#include "cpu_info.h"
#include "object_scan.h"
#include "process_symbols.h"
#include "tls.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ExecutionEngine/JITLink/JITLink.h"
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace fromsource {

struct RunEntry {
  unsigned Priority;
  void (*Function)();
};

struct Ifunc {
  void **Slot;
  void *(*Resolver)();
};

struct TlsModuleDeleter {
  void operator()(TlsModule *Module) const { destroyTlsModule(Module); }
};
using TlsModuleOwner = std::unique_ptr<TlsModule, TlsModuleDeleter>;

/// Thread-local variables of a dylib, for its later objects.
using TlsSymbolMap = llvm::StringMap<TlsEntry>;

/// Addresses of what other libraries define.
using ImportMap = llvm::StringMap<uint64_t>;

/// What a link makes live. It moves into the dylib when the link succeeds.
struct LinkedObject {
  std::vector<RunEntry> Initialisers, Finalisers;
  std::vector<Ifunc> Ifuncs;
  void *EhFrame = nullptr;
  TlsModuleOwner Tls;
  TlsSymbolMap TlsSymbols;
  /// In the format of fs_dylib_symbols.
  std::string Symbols;
};

/// Lives on the stack of the thread that links.
struct LinkJob {
  ObjectScan Scan;
  ProcessSymbols &Process;
  /// What `&__dso_handle` is in this dylib.
  void *DsoHandle;
  CpuInfo *Cpu;
  /// How many objects the dylib has already.
  size_t Ordinal;
  const TlsSymbolMap &EarlierTls;
  const ImportMap &Imports;
  std::function<bool(llvm::StringRef)> DefinedEarlier;

  /// Found in the graph before the link, read after its fixups.
  std::vector<std::pair<llvm::jitlink::Block *, RunSection>> RunBlocks;
  std::vector<std::pair<llvm::jitlink::Block *, size_t>> TlsBlocks;
  std::vector<std::pair<llvm::jitlink::Symbol *, llvm::jitlink::Symbol *>>
      IfuncSymbols;

  LinkedObject Result;
  llvm::Error Failure = llvm::Error::success();
};

/// Binds what the object needs from outside, gives thread-local storage, ifunc
/// and init sections their meaning. Refuses the object when a name is missing.
llvm::Error prepareGraph(llvm::jitlink::LinkGraph &G, LinkJob &Job);
/// Part of it.
llvm::Error prepareTls(llvm::jitlink::LinkGraph &G, LinkJob &Job);
/// Reads the final addresses; runs after the fixups, before the protections.
void collectResult(llvm::jitlink::LinkGraph &G, LinkJob &Job);

} // namespace fromsource

#endif // FROMSOURCE_LINK_JOB_H
