//===- dylib.h - One library: its objects, initialised or not ---*- C++ -*-===//

#ifndef FROMSOURCE_DYLIB_H
#define FROMSOURCE_DYLIB_H

#include "link_job.h"
#include "session.h"

/// Everything that one fs_dylib_create made. `add` may run on any thread;
/// the rest is for whoever owns the library, one call at a time.
struct fs_dylib {
  static llvm::Expected<fs_dylib *> create(fs_session &S, llvm::StringRef Name);

  /// Names of other libraries, joined by '\n'.
  llvm::Error define(llvm::StringRef Names, llvm::ArrayRef<uint64_t> Addresses);
  llvm::Error add(llvm::ArrayRef<char> Bytes);
  llvm::Error initialise();
  llvm::Error finalise();
  /// What is left for the end of the process, when the handlers of atexit have
  /// run already. Uses nothing of LLVM.
  void finaliseAtExit();
  /// Destroys the dylib.
  llvm::Error remove();

  llvm::Error makeLazy(int Requests);
  llvm::Error addStubs(llvm::StringRef Names);
  llvm::Expected<uint64_t> resolve(llvm::StringRef Name);
  llvm::Error answer(llvm::StringRef Name, llvm::StringRef Failure);

  const char *symbols();
  bool mayThrow() const { return MayThrow; }
  const char *code();
  llvm::Expected<uint64_t> lookup(llvm::StringRef Name);

private:
  fs_dylib(fs_session &S, llvm::orc::JITDylib &JD, void *DsoHandle)
      : S(S), JD(&JD), DsoHandle(DsoHandle) {}

  bool definedEarlier(llvm::StringRef Name);
  llvm::Error defineStubs();
  llvm::Error runInitialisers();
  void runFinalisers(bool WithPriority, std::string &Escaped);

  fs_session &S;
  llvm::orc::JITDylibSP JD;
  void *const DsoHandle;

  /// Links into one dylib run one after the other.
  std::mutex Mutex;
  std::vector<fromsource::RunEntry> NewInitialisers;
  std::vector<fromsource::Ifunc> NewIfuncs;
  std::vector<fromsource::RunEntry> NewFinalisers;
  /// Of initialised objects, in the order of their array.
  std::vector<fromsource::RunEntry> Finalisers;
  std::vector<void *> EhFrames;
  std::vector<std::unique_ptr<fromsource::DebugObject>> DebugObjects;
  std::vector<fromsource::CodeRange> Functions;
  std::vector<fromsource::TlsModuleOwner> TlsModules;
  fromsource::TlsSymbolMap TlsSymbols;
  fromsource::ImportMap Imports;
  std::unique_ptr<fromsource::Stubs> Lazy;
  llvm::StringSet<> LazyNames;
  /// Held while initialisers run; they may come back for those of others.
  std::recursive_mutex Initialising;
  std::string InitialiserFailure;
  std::string Symbols;
  std::string SymbolsNow;
  std::string Code;
  size_t Objects = 0;
  bool MayThrow = false;
  std::atomic<bool> Finalised{false};
};

namespace fromsource {

/// An error that says what came out, when something did.
llvm::Error runInitialiser(void (*Function)());

} // namespace fromsource

#endif // FROMSOURCE_DYLIB_H
