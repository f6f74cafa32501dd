//===- link_job.h - One object on its way into a dylib ----------*- C++ -*-===//

#ifndef FROMSOURCE_LINK_JOB_H
#define FROMSOURCE_LINK_JOB_H

#include "cpu_info.h"
#include "debug_object.h"
#include "object_scan.h"
#include "process_symbols.h"
#include "stubs.h"
#include "tls.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
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

/// A function, exported or not.
struct CodeRange {
  uint64_t Address;
  uint64_t Size;
  llvm::orc::SymbolStringPtr Name;
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
  /// Of an object with debug information.
  std::vector<SectionAddress> Sections;
  std::vector<CodeRange> Functions;
  bool MayThrow = false;
  /// In the format of fs_dylib_symbols.
  std::string Symbols;
};

/// A function in a block, of which the graph may drop the symbol.
struct NamedCode {
  llvm::jitlink::Block *Home;
  uint64_t Offset;
  uint64_t Size;
  llvm::orc::SymbolStringPtr Name;
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
  /// Of a lazy dylib, else null.
  Stubs *Lazy;
  const llvm::StringSet<> &LazyNames;

  /// Found in the graph before the link, read after its fixups.
  std::vector<std::pair<llvm::jitlink::Block *, RunSection>> RunBlocks;
  std::vector<std::pair<llvm::jitlink::Block *, size_t>> TlsBlocks;
  std::vector<std::pair<llvm::jitlink::Symbol *, llvm::jitlink::Symbol *>>
      IfuncSymbols;

  LinkedObject Result;
  llvm::Error Failure = llvm::Error::success();
  std::vector<NamedCode> Functions;
  /// Section of the object → its block, of what is not pruned.
  std::vector<std::pair<size_t, llvm::jitlink::Block *>> DebugBlocks;
};

/// Binds what the object needs from outside, gives thread-local storage, ifunc
/// and init sections their meaning. Refuses the object when a name is missing.
llvm::Error prepareGraph(llvm::jitlink::LinkGraph &G, LinkJob &Job);
/// Parts of it.
/// Of a lazy dylib: gives the functions that were named their stubs, and one to
/// every missing name that the object only calls, which takes it off the list.
llvm::Error bindNamed(llvm::jitlink::LinkGraph &G, LinkJob &Job);
llvm::Error bindCalled(llvm::jitlink::LinkGraph &G, LinkJob &Job,
                       std::vector<std::string> &Missing);
/// A function whose stub other objects have keeps that as its address.
void shareAddresses(llvm::jitlink::LinkGraph &G, LinkJob &Job);
llvm::Error prepareTls(llvm::jitlink::LinkGraph &G, LinkJob &Job);
/// Before anything is pruned: a local symbol that code refers to by its section
/// is, though its block stays.
void findFunctions(llvm::jitlink::LinkGraph &G, LinkJob &Job);
void dropUnlinkedFunctions(llvm::jitlink::LinkGraph &G, LinkJob &Job);
/// Records of functions that were dropped leave no gaps between the others,
/// whose places in the object were of a larger alignment: an unwinder takes the
/// zeros of a gap for the end.
void closeFrameGaps(llvm::jitlink::LinkGraph &G);
/// For objects with debug information: finds the blocks of their sections,
/// once those that nothing needs are gone, and before the others are moved.
void findDebugBlocks(llvm::jitlink::LinkGraph &G, LinkJob &Job);
/// Reads the final addresses; runs after the fixups, before the protections.
void collectResult(llvm::jitlink::LinkGraph &G, LinkJob &Job);

} // namespace fromsource

#endif // FROMSOURCE_LINK_JOB_H
