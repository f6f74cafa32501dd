//===- dylib.cpp - One library: its objects, initialised or not -----------===//

#include "dylib.h"
#include "call_guard.h"
#include "error.h"
#include "frames.h"
#include "link.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ExecutionEngine/JITLink/ELF_x86_64.h"

using namespace llvm;
using namespace fromsource;

/// Sections without a priority come after all that have one.
static constexpr unsigned NoPriority = 65535;

template <typename T>
static void append(std::vector<T> &To, std::vector<T> &From) {
  To.insert(To.end(), From.begin(), From.end());
  From.clear();
}

/// Moves entries to their places in an array that is in order already, each
/// after those of its own priority.
static void merge(std::vector<RunEntry> &To, std::vector<RunEntry> &From) {
  for (const RunEntry &E : From)
    To.insert(llvm::upper_bound(To, E,
                                [](const RunEntry &A, const RunEntry &B) {
                                  return A.Priority < B.Priority;
                                }),
              E);
  From.clear();
}

Expected<fs_dylib *> fs_dylib::create(fs_session &S, StringRef Name) {
  auto Handle = S.takeDsoHandle();
  if (!Handle)
    return Handle.takeError();
  auto &JD =
      S.orc().createBareJITDylib((Name + "#" + Twine(S.nextNumber())).str());
  return new fs_dylib(S, JD, *Handle);
}

bool fs_dylib::definedEarlier(StringRef Name) {
  if (Objects == 0)
    return false;
  auto Flags = S.orc().lookupFlags(
      orc::LookupKind::Static,
      {{JD.get(), orc::JITDylibLookupFlags::MatchAllSymbols}},
      orc::SymbolLookupSet(S.orc().intern(Name),
                           orc::SymbolLookupFlags::WeaklyReferencedSymbol));
  if (!Flags) {
    consumeError(Flags.takeError());
    return false;
  }
  return !Flags->empty();
}

Error fs_dylib::define(StringRef Names, ArrayRef<uint64_t> Addresses) {
  std::lock_guard<std::mutex> Lock(Mutex);
  for (uint64_t Address : Addresses) {
    auto [Name, Rest] = Names.split('\n');
    if (Name.empty())
      return makeError(FS_ERROR_MISUSE, "fewer names than addresses");
    Imports[Name] = Address;
    Names = Rest;
  }
  return Error::success();
}

Error fs_dylib::add(ArrayRef<char> Bytes) {
  auto Scan = ObjectScan::scan(Bytes);
  if (!Scan)
    return Scan.takeError();
  auto G = jitlink::createLinkGraphFromELFObject_x86_64(
      Scan->Object, S.orc().getSymbolStringPool());
  if (!G)
    return G.takeError();

  std::lock_guard<std::mutex> Lock(Mutex);
  LinkJob Job{std::move(*Scan),
              S.process(),
              DsoHandle,
              S.cpu(),
              Objects,
              TlsSymbols,
              Imports,
              [this](StringRef Name) { return definedEarlier(Name); },
              Lazy.get(),
              LazyNames,
              {},
              {},
              {},
              {},
              Error::success(),
              {},
              {}};
  if (Error Err = prepareGraph(**G, Job))
    return Err;
  if (Error Err = link(S, *JD, std::move(*G), Job))
    return Err;

  ++Objects;
  LinkedObject &Linked = Job.Result;
  MayThrow |= Linked.MayThrow;
  merge(NewInitialisers, Linked.Initialisers);
  merge(NewFinalisers, Linked.Finalisers);
  append(NewIfuncs, Linked.Ifuncs);
  append(Functions, Linked.Functions);
  if (Linked.EhFrame) {
    registerFrames(Linked.EhFrame);
    EhFrames.push_back(Linked.EhFrame);
  }
  if (!Linked.Sections.empty())
    if (auto Debug = DebugObject::create(Bytes, Linked.Sections))
      DebugObjects.push_back(std::move(Debug));
  if (Linked.Tls)
    TlsModules.push_back(std::move(Linked.Tls));
  for (auto &Entry : Linked.TlsSymbols)
    TlsSymbols[Entry.first()] = Entry.second;
  Symbols += Linked.Symbols;
  return Lazy ? defineStubs() : Error::success();
}

Error fromsource::runInitialiser(void (*Function)()) {
  std::string What;
  if (callGuarded(Function, What))
    return Error::success();
  return makeError(FS_ERROR_INTERNAL, "an initialiser threw " + What);
}

Error fs_dylib::initialise() {
  std::lock_guard<std::recursive_mutex> Lock(Initialising);
  if (!InitialiserFailure.empty())
    return makeError(FS_ERROR_INTERNAL, InitialiserFailure);
  std::vector<Stub *> Fresh;
  if (Lazy)
    Fresh = Lazy->takeFresh();
  if (Error Err = runInitialisers()) {
    // What they were to make ready is half so: it is never called.
    InitialiserFailure = toString(std::move(Err));
    return makeError(FS_ERROR_INTERNAL, InitialiserFailure);
  }
  if (Lazy)
    Lazy->publish(Fresh);
  return Error::success();
}

Error fs_dylib::runInitialisers() {
  std::vector<RunEntry> Initialisers, NewFinal;
  std::vector<Ifunc> Ifuncs;
  {
    std::lock_guard<std::mutex> Lock(Mutex);
    Initialisers.swap(NewInitialisers);
    NewFinal.swap(NewFinalisers);
    Ifuncs.swap(NewIfuncs);
  }
  for (const Ifunc &I : Ifuncs)
    *I.Slot = I.Resolver();
  for (const RunEntry &I : Initialisers)
    if (Error Err = runInitialiser(I.Function))
      return Err;
  if (NewFinal.empty())
    return Error::success();
  if (Finalisers.empty())
    S.addFinalisable(this);
  merge(Finalisers, NewFinal);
  return Error::success();
}

void fs_dylib::runFinalisers(bool WithPriority, std::string &Escaped) {
  for (const RunEntry &F : llvm::reverse(Finalisers))
    if ((F.Priority != NoPriority) == WithPriority)
      callGuarded(F.Function, Escaped);
}

Error fs_dylib::finalise() {
  if (Finalised.exchange(true))
    return Error::success();
  // At the end of a process ld.so would come to these; from now on they are
  // done.
  if (!Finalisers.empty())
    S.removeFinalisable(this);
  std::string Escaped;
  runThreadDestructors(DsoHandle);
  // crtstuff's entry, which calls __cxa_finalize, is the first without a
  // priority: so it runs as the last of those, and before the others.
  runFinalisers(false, Escaped);
  finaliseGuarded(DsoHandle, Escaped);
  runFinalisers(true, Escaped);
  if (!Escaped.empty())
    return makeError(FS_ERROR_INTERNAL, "a finaliser threw " + Escaped);
  return Error::success();
}

void fs_dylib::finaliseAtExit() {
  if (Finalised.exchange(true))
    return;
  std::string Escaped;
  runFinalisers(false, Escaped);
  finaliseGuarded(DsoHandle, Escaped);
  runFinalisers(true, Escaped);
}

/// Of a lazy dylib a copy, since another thread may link meanwhile.
const char *fs_dylib::symbols() {
  if (!Lazy)
    return Symbols.c_str();
  std::lock_guard<std::mutex> Lock(Mutex);
  SymbolsNow = Symbols;
  return SymbolsNow.c_str();
}

const char *fs_dylib::code() {
  std::lock_guard<std::mutex> Lock(Mutex);
  Code.clear();
  raw_string_ostream OS(Code);
  for (const CodeRange &F : Functions)
    if (!(*F.Name).contains('\n'))
      OS << "f " << utohexstr(F.Address, true) << ' ' << F.Size << ' '
         << *F.Name << '\n';
  for (const auto &D : DebugObjects)
    OS << "o "
       << utohexstr(reinterpret_cast<uintptr_t>(D->bytes().data()), true) << ' '
       << D->bytes().size() << " -\n";
  return Code.c_str();
}

Expected<uint64_t> fs_dylib::lookup(StringRef Name) {
  auto Found = S.orc().lookup(
      {{JD.get(), orc::JITDylibLookupFlags::MatchExportedSymbolsOnly}},
      orc::SymbolLookupSet(S.orc().intern(Name),
                           orc::SymbolLookupFlags::WeaklyReferencedSymbol));
  if (!Found)
    return Found.takeError();
  if (Found->empty()) {
    auto Err = std::make_unique<LoaderError>(FS_ERROR_MISSING_SYMBOLS,
                                             ("no symbol " + Name).str());
    Err->Symbols.push_back(Name.str());
    return Error(std::move(Err));
  }
  return Found->begin()->second.getAddress().getValue();
}

Error fs_dylib::remove() {
  Error Err = finalise();
  dropThreadDestructors(DsoHandle);
  DebugObjects.clear();
  for (void *Frame : EhFrames)
    deregisterFrames(Frame);
  Err = joinErrors(std::move(Err), S.orc().removeJITDylib(*JD));
  JD.reset();
  Lazy.reset();
  fs_session &Session = S;
  Session.giveBackDsoHandle(DsoHandle);
  delete this;
  Session.dropUnusedNames();
  return Err;
}
