//===- prepare_stubs.cpp - The graphs of a lazy dylib ---------------------===//

#include "link_job.h"
#include "llvm/ExecutionEngine/JITLink/x86_64.h"

using namespace llvm;
using namespace llvm::jitlink;

namespace fromsource {

static Error bind(LinkGraph &G, LinkJob &Job, Symbol &Sym) {
  auto Address = Job.Lazy->use(*Sym.getName());
  if (!Address)
    return Address.takeError();
  G.makeAbsolute(Sym, orc::ExecutorAddr(*Address));
  return Error::success();
}

static std::vector<Symbol *> externals(LinkGraph &G) {
  return {G.external_symbols().begin(), G.external_symbols().end()};
}

Error bindNamed(LinkGraph &G, LinkJob &Job) {
  for (Symbol *Sym : externals(G))
    if (Job.LazyNames.contains(*Sym->getName()) &&
        !Job.DefinedEarlier(*Sym->getName()))
      if (Error Err = bind(G, Job, *Sym))
        return Err;
  return Error::success();
}

/// The code of a call can't read what it calls, so it may be a stub, whatever
/// the name turns out to be.
static bool isCall(const Edge &E) {
  return E.getKind() == x86_64::BranchPCRel32;
}

Error bindCalled(LinkGraph &G, LinkJob &Job,
                 std::vector<std::string> &Missing) {
  DenseSet<Symbol *> Read;
  for (Block *B : G.blocks())
    for (Edge &E : B->edges())
      if (!isCall(E))
        Read.insert(&E.getTarget());
  StringSet<> Bound;
  for (Symbol *Sym : externals(G)) {
    if (Read.contains(Sym) || !is_contained(Missing, *Sym->getName()))
      continue;
    Bound.insert(*Sym->getName());
    if (Error Err = bind(G, Job, *Sym))
      return Err;
  }
  erase_if(Missing,
           [&](const std::string &Name) { return Bound.contains(Name); });
  return Error::success();
}

void shareAddresses(LinkGraph &G, LinkJob &Job) {
  DenseMap<Symbol *, Symbol *> Shared;
  auto Look = [&](Symbol *Sym) {
    if (!Sym->hasName() || Sym->getScope() == Scope::Local)
      return;
    if (uint64_t Address = Job.Lazy->used(*Sym->getName()))
      Shared[Sym] = &G.addAbsoluteSymbol(
          G.intern(("$stub." + *Sym->getName()).str()),
          orc::ExecutorAddr(Address), 0, Linkage::Strong, Scope::Local, true);
  };
  for (Symbol *Sym : G.defined_symbols())
    Look(Sym);
  for (Symbol *Sym : G.external_symbols())
    Look(Sym);
  if (Shared.empty())
    return;
  for (Section &Sec : G.sections()) {
    // It describes the function itself.
    if (Sec.getName() == ".eh_frame")
      continue;
    for (Block *B : Sec.blocks())
      for (Edge &E : B->edges())
        if (!isCall(E))
          if (Symbol *Stub = Shared.lookup(&E.getTarget()))
            E.setTarget(*Stub);
  }
}

} // namespace fromsource
