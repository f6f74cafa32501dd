//===- prepare_graph.cpp - Make a graph what a linker would make ----------===//

#include "error.h"
#include "link_job.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ExecutionEngine/JITLink/x86_64.h"
#include <algorithm>

using namespace llvm;
using namespace llvm::jitlink;

namespace fromsource {

static const orc::MemProt ReadWrite = orc::MemProt::Read | orc::MemProt::Write;
static const orc::MemProt ReadExec = orc::MemProt::Read | orc::MemProt::Exec;

/// Functions of libc_nonshared.a: each passes its library's `__dso_handle` to
/// the real function as one more argument, so each library needs its own.
struct NonsharedStub {
  StringRef Name;
  StringRef Real;
  /// Ends in a `lea 0(%rip)` into the extra argument's register.
  StringRef Code;
};

static const NonsharedStub NonsharedStubs[] = {
    // xor %esi,%esi; lea __dso_handle(%rip),%rdx
    {"atexit", "__cxa_atexit", StringRef("\x31\xf6\x48\x8d\x15\0\0\0\0", 9)},
    // lea __dso_handle(%rip),%rsi
    {"at_quick_exit", "__cxa_at_quick_exit",
     StringRef("\x48\x8d\x35\0\0\0\0", 7)},
    // lea __dso_handle(%rip),%rcx
    {"pthread_atfork", "__register_atfork",
     StringRef("\x48\x8d\x0d\0\0\0\0", 7)},
};

static Error addNonsharedStub(LinkGraph &G, LinkJob &Job, Symbol &Sym,
                              const NonsharedStub &Stub) {
  void *Real = Job.Process.find(Stub.Real);
  if (!Real)
    return makeError(FS_ERROR_INTERNAL, "libc has no " + Stub.Real);
  Section *Stubs = G.findSectionByName("$fromsource.stubs");
  if (!Stubs)
    Stubs = &G.createSection("$fromsource.stubs", ReadExec);

  // The code, and a jump through a pointer: libc may be out of reach.
  SmallString<32> Code(Stub.Code);
  Code.append(StringRef(x86_64::PointerJumpStubContent, 6));
  auto &B = G.createContentBlock(
      *Stubs, G.allocateContent(ArrayRef<char>(Code.data(), Code.size())),
      orc::ExecutorAddr(), 16, 0);
  Symbol &Dso = G.addAbsoluteSymbol(G.intern("$dso_handle"),
                                    orc::ExecutorAddr::fromPtr(Job.DsoHandle),
                                    0, Linkage::Strong, Scope::Local, true);
  Symbol &Target =
      G.addAbsoluteSymbol(G.intern(Stub.Real), orc::ExecutorAddr::fromPtr(Real),
                          0, Linkage::Strong, Scope::Local, true);
  B.addEdge(x86_64::Delta32, Stub.Code.size() - 4, Dso, -4);
  B.addEdge(x86_64::Delta32, Stub.Code.size() + 2,
            x86_64::createAnonymousPointer(G, *Stubs, &Target), -4);
  G.makeDefined(Sym, B, 0, B.getSize(), Linkage::Strong, Scope::Local, false);
  return Error::success();
}

/// JITLink defines these itself, once it knows where the section lies.
static bool isSectionBound(LinkGraph &G, StringRef Name) {
  return (Name.consume_front("__start_") || Name.consume_front("__stop_")) &&
         G.findSectionByName(Name);
}

static Error missingSymbols(LinkGraph &G, LinkJob &Job,
                            std::vector<std::string> Names) {
  llvm::sort(Names);
  auto Err = std::make_unique<LoaderError>(
      FS_ERROR_MISSING_SYMBOLS, "nothing defines " + join(Names, ", "));
  Err->Symbols = std::move(Names);
  Err->Candidates = Job.Process.cNames();
  for (Symbol *Sym : G.defined_symbols())
    if (Sym->hasName() && Sym->getScope() != Scope::Local)
      Err->Candidates.push_back((*Sym->getName()).str());
  return Error(std::move(Err));
}

/// Whether a name belongs to what can throw: C++, the parts of its runtime that
/// code in C does not use, and unwinders.
static bool isOfExceptions(StringRef Name) {
  if (Name.starts_with("_Z") || Name.starts_with("_Unwind_") ||
      Name.starts_with("__gxx_personality"))
    return true;
  return Name.starts_with("__cxa_") && !Name.ends_with("atexit") &&
         !Name.ends_with("atexit_impl") && Name != "__cxa_finalize" &&
         Name != "__cxa_at_quick_exit";
}

/// Gives every name from outside its address now, which spares JITLink's lookup
/// and tells all missing names at once, before anything is added.
static Error bindExternals(LinkGraph &G, LinkJob &Job) {
  const std::pair<StringRef, void *> Own[] = {
      {"__dso_handle", Job.DsoHandle},
      {"__tls_get_addr", reinterpret_cast<void *>(tlsGetAddr)},
      {"__cxa_thread_atexit", reinterpret_cast<void *>(threadAtexit)},
      {"__cxa_thread_atexit_impl", reinterpret_cast<void *>(threadAtexit)},
      {"__cpu_model", Job.Cpu->Model},
      {"__cpu_features2", Job.Cpu->Features2},
      {"__cpu_indicator_init", reinterpret_cast<void *>(cpuIndicatorInit)},
  };
  std::vector<std::string> Missing;
  if (Job.Lazy)
    if (Error Err = bindNamed(G, Job))
      return Err;
  std::vector<Symbol *> Externals(G.external_symbols().begin(),
                                  G.external_symbols().end());
  for (Symbol *Sym : Externals) {
    StringRef Name = *Sym->getName();
    Job.Result.MayThrow |= isOfExceptions(Name);
    if (Name == "_GLOBAL_OFFSET_TABLE_" || Job.DefinedEarlier(Name) ||
        isSectionBound(G, Name))
      continue;
    auto IsName = [&](auto &E) { return E.first == Name; };
    void *Address = nullptr;
    if (auto *O = find_if(Own, IsName); O != std::end(Own))
      Address = O->second;
    else if (auto I = Job.Imports.find(Name); I != Job.Imports.end())
      Address = reinterpret_cast<void *>(I->second);
    else if (auto *S = find_if(NonsharedStubs,
                               [&](auto &E) { return E.Name == Name; });
             S != std::end(NonsharedStubs)) {
      if (Error Err = addNonsharedStub(G, Job, *Sym, *S))
        return Err;
      continue;
    } else
      Address = Job.Process.find(Name);
    if (!Address && !Sym->isWeaklyReferenced()) {
      Missing.push_back(Name.str());
      continue;
    }
    G.makeAbsolute(*Sym, orc::ExecutorAddr::fromPtr(Address));
  }
  if (Job.Lazy && !Missing.empty())
    if (Error Err = bindCalled(G, Job, Missing))
      return Err;
  if (!Missing.empty())
    return missingSymbols(G, Job, std::move(Missing));
  return Error::success();
}

static void keep(LinkGraph &G, Block &B) {
  G.addAnonymousSymbol(B, 0, B.getSize(), false, true);
}

static bool isIdentifier(StringRef Name) {
  return !Name.empty() && !isDigit(Name[0]) &&
         all_of(Name, [](char C) { return isAlnum(C) || C == '_'; });
}

static void prepareSections(LinkGraph &G, LinkJob &Job) {
  DenseMap<const char *, Block *> ByContent;
  for (Section &Sec : G.sections()) {
    StringRef Name = Sec.getName();
    // JITLink protects after its fixups, so these need not stay writable.
    if (Name.starts_with(".data.rel.ro"))
      Sec.setMemProt(orc::MemProt::Read);
    // Reached only through the symbols that bound them.
    if (Sec.getMemLifetime() != orc::MemLifetime::NoAlloc &&
        isIdentifier(Name)) {
      std::vector<Block *> Blocks(Sec.blocks().begin(), Sec.blocks().end());
      for (Block *B : Blocks)
        keep(G, *B);
    }
    if (!Job.Scan.RunSections.empty() && Sec.getName().starts_with("."))
      for (Block *B : Sec.blocks())
        if (!B->isZeroFill() && B->getSize())
          ByContent[B->getContent().data()] = B;
  }
  for (auto &[Content, Run] : Job.Scan.RunSections) {
    auto I = ByContent.find(Content);
    if (I == ByContent.end())
      continue;
    // Their entries are copied out after the fixups: no page for them.
    I->second->getSection().setMemLifetime(orc::MemLifetime::NoAlloc);
    keep(G, *I->second);
    Job.RunBlocks.push_back({I->second, Run});
  }
}

/// The object scan made plain functions of ifuncs, which are their resolvers.
/// Every use gets a stub instead, whose pointer is filled in before the
/// initialisers run.
static void prepareIfuncs(LinkGraph &G, LinkJob &Job) {
  if (Job.Scan.Ifuncs.empty())
    return;
  std::vector<Symbol *> Symbols;
  for (Symbol *Sym : G.defined_symbols())
    if (Sym->hasName() && Job.Scan.Ifuncs.count(*Sym->getName()))
      Symbols.push_back(Sym);
  auto &Slots = G.createSection("$fromsource.ifunc", ReadWrite);
  auto &Stubs = G.createSection("$fromsource.ifunc_stubs", ReadExec);
  for (Symbol *Sym : Symbols) {
    Symbol &Resolver =
        G.addAnonymousSymbol(Sym->getBlock(), Sym->getOffset(), 0, true, true);
    Symbol &Slot = x86_64::createAnonymousPointer(G, Slots);
    Slot.setLive(true);
    Block &Stub = x86_64::createPointerJumpStubBlock(G, Stubs, Slot);
    G.transferDefinedSymbol(*Sym, Stub, 0, std::nullopt);
    Job.IfuncSymbols.push_back({&Slot, &Resolver});
  }
}

/// JITLink rewrites `call *f@GOTPCREL(%rip)` to a direct call when f lies below
/// 4 GiB, but fills in f's address for its distance. In a program at a fixed
/// address, as node is, malloc and free do: so no call is rewritten.
static void keepIndirectCalls(LinkGraph &G) {
  for (Block *B : G.blocks())
    for (Edge &E : B->edges())
      if (E.getKind() ==
          x86_64::RequestGOTAndTransformToPCRel32GOTLoadRelaxable) {
        E.setKind(x86_64::RequestGOTAndTransformToDelta32);
        E.setAddend(E.getAddend() - 4);
      }
}

Error prepareGraph(LinkGraph &G, LinkJob &Job) {
  if (Job.Scan.HasTls)
    if (Error Err = prepareTls(G, Job))
      return Err;
  if (Job.Scan.HasIndirectCalls)
    keepIndirectCalls(G);
  prepareSections(G, Job);
  prepareIfuncs(G, Job);
  if (Job.Lazy)
    shareAddresses(G, Job);
  return bindExternals(G, Job);
}

void findFunctions(LinkGraph &G, LinkJob &Job) {
  for (Symbol *Sym : G.defined_symbols())
    if (Sym->hasName() && Sym->isCallable())
      Job.Functions.push_back(
          {&Sym->getBlock(), Sym->getOffset(), Sym->getSize(), Sym->getName()});
}

void dropUnlinkedFunctions(LinkGraph &G, LinkJob &Job) {
  DenseSet<Block *> Linked;
  for (Block *B : G.blocks())
    Linked.insert(B);
  erase_if(Job.Functions,
           [&](const NamedCode &F) { return !Linked.contains(F.Home); });
}

void closeFrameGaps(LinkGraph &G) {
  if (Section *Frames = G.findSectionByName(".eh_frame"))
    for (Block *B : Frames->blocks()) {
      B->setAlignment(4);
      B->setAlignmentOffset(0);
    }
}

void findDebugBlocks(LinkGraph &G, LinkJob &Job) {
  DenseMap<const char *, Block *> ByContent;
  for (Block *B : G.blocks())
    if (!B->isZeroFill() && B->getSize())
      ByContent[B->getContent().data()] = B;
  for (const auto &S : Job.Scan.MemorySections) {
    Block *Found = nullptr;
    if (S.Content)
      Found = ByContent.lookup(S.Content);
    // Several of one name can't be told apart.
    else if (Section *Sec = G.findSectionByName(S.Name))
      Found = Sec->blocks_size() == 1 ? *Sec->blocks().begin() : nullptr;
    if (Found)
      Job.DebugBlocks.push_back({S.Section, Found});
  }
}

static void collectRunEntries(const LinkJob &Job, LinkedObject &Result) {
  for (auto &[B, Run] : Job.RunBlocks) {
    auto &Entries = Run.Final ? Result.Finalisers : Result.Initialisers;
    size_t First = Entries.size();
    for (size_t I = 0; I + 8 <= B->getSize(); I += 8) {
      RunEntry Entry{Run.Priority, nullptr};
      memcpy(&Entry.Function, B->getContent().data() + I, 8);
      // ld.so's tables may hold 0 and -1 as ends; those are no functions.
      auto Value = reinterpret_cast<uintptr_t>(Entry.Function);
      if (Value != 0 && Value != uintptr_t(-1))
        Entries.push_back(Entry);
    }
    if (Run.Reversed)
      std::reverse(Entries.begin() + First, Entries.end());
  }
}

void collectResult(LinkGraph &G, LinkJob &Job) {
  LinkedObject &Result = Job.Result;
  collectRunEntries(Job, Result);
  for (auto &[Slot, Resolver] : Job.IfuncSymbols)
    Result.Ifuncs.push_back({Slot->getAddress().toPtr<void **>(),
                             Resolver->getAddress().toPtr<void *(*)()>()});
  for (auto &[B, Offset] : Job.TlsBlocks)
    memcpy(Result.Tls->Image.data() + Offset, B->getContent().data(),
           B->getSize());
  if (Section *Frames = G.findSectionByName(".eh_frame")) {
    SectionRange Range(*Frames);
    if (!Range.empty() && Range.getSize() > 4)
      Result.EhFrame = Range.getStart().toPtr<void *>();
  }
  for (auto &[B, Offset, Size, Name] : Job.Functions)
    Result.Functions.push_back(
        {B->getAddress().getValue() + Offset, Size, std::move(Name)});
  for (auto [Section, B] : Job.DebugBlocks)
    Result.Sections.push_back({Section, B->getAddress().getValue()});
  raw_string_ostream OS(Result.Symbols);
  for (Symbol *Sym : G.defined_symbols()) {
    if (Sym->getScope() != Scope::Default || !Sym->hasName() ||
        (*Sym->getName()).contains('\n'))
      continue;
    bool Code = Sym->isCallable() || (Sym->getSection().getMemProt() &
                                      orc::MemProt::Exec) != orc::MemProt::None;
    OS << format_hex_no_prefix(Sym->getAddress().getValue(), 1) << ' '
       << Sym->getSize() << (Code ? " f " : " d ") << *Sym->getName() << '\n';
  }
}

} // namespace fromsource
