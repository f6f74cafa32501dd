//===- link.cpp - Run one link to its end ---------------------------------===//

#include "link.h"
#include "error.h"
#include "llvm/ExecutionEngine/JITLink/x86_64.h"
#include "llvm/ExecutionEngine/Orc/Shared/OrcError.h"

using namespace llvm;
using namespace llvm::jitlink;
using namespace llvm::orc;

namespace fromsource {

/// The link that this thread is in. A thread that looks something up may be
/// given another thread's link to do, inside its own or while that other
/// thread waits, so this follows the work and not the caller.
static thread_local LinkJob *CurrentJob = nullptr;

namespace {

class LinkUnit : public MaterializationUnit {
public:
  LinkUnit(LinkGraphLinkingLayer &Layer, std::unique_ptr<LinkGraph> G,
           Interface I, LinkJob &Job)
      : MaterializationUnit(std::move(I)), Layer(Layer), G(std::move(G)),
        Job(Job) {}

  StringRef getName() const override { return "fromsource object"; }

  void materialize(std::unique_ptr<MaterializationResponsibility> R) override {
    LinkJob *Outer = std::exchange(CurrentJob, &Job);
    Layer.emit(std::move(R), std::move(G));
    CurrentJob = Outer;
  }

private:
  /// An earlier object's definition wins over a weak one of ours.
  void discard(const JITDylib &, const SymbolStringPtr &Name) override {
    if (Symbol *Sym = G->findDefinedSymbolByName(Name))
      G->makeExternal(*Sym);
  }

  LinkGraphLinkingLayer &Layer;
  std::unique_ptr<LinkGraph> G;
  LinkJob &Job;
};

/// Applies the fixups, which is JITLink's next step, and takes their edges away
/// before ORC makes a graph of what waits for what out of them. It would be
/// closed transitively, in a time that grows with the square of the sections:
/// 0.6 s of 0.7 for a C++ library of 3,000. And all of an object becomes ready
/// at once here, when nothing that it needs is still to be linked.
Error applyFixups(LinkGraph &G) {
  for (Block *B : G.blocks()) {
    if (B->getSection().getMemLifetime() == MemLifetime::NoAlloc)
      (void)B->getMutableContent(G);
    // Erasing from the end moves nothing.
    for (size_t I = B->edges_size(); I-- > 0;) {
      auto E = B->edges().begin() + I;
      // JITLink alone knows where the table is that this kind is relative to.
      if (E->getKind() == x86_64::Delta64FromGOT)
        continue;
      if (E->isRelocation())
        if (Error Err = x86_64::applyFixup(G, *B, *E, nullptr))
          return Err;
      B->removeEdge(E);
    }
  }
  return Error::success();
}

class LinkPlugin : public LinkGraphLinkingLayer::Plugin {
public:
  void modifyPassConfig(MaterializationResponsibility &, LinkGraph &,
                        PassConfiguration &Config) override {
    Config.PrePrunePasses.push_back([Job = CurrentJob](LinkGraph &G) {
      findFunctions(G, *Job);
      return Error::success();
    });
    Config.PostPrunePasses.push_back([Job = CurrentJob](LinkGraph &G) {
      dropUnlinkedFunctions(G, *Job);
      closeFrameGaps(G);
      if (!Job->Scan.MemorySections.empty())
        findDebugBlocks(G, *Job);
      return Error::success();
    });
    Config.PreFixupPasses.push_back(applyFixups);
    Config.PostFixupPasses.push_back([Job = CurrentJob](LinkGraph &G) {
      collectResult(G, *Job);
      return Error::success();
    });
  }
  Error notifyFailed(MaterializationResponsibility &) override {
    return Error::success();
  }
  Error notifyRemovingResources(JITDylib &, ResourceKey) override {
    return Error::success();
  }
  void notifyTransferringResources(JITDylib &, ResourceKey,
                                   ResourceKey) override {}
};

} // namespace

std::shared_ptr<LinkGraphLinkingLayer::Plugin> makeLinkPlugin() {
  return std::make_shared<LinkPlugin>();
}

void reportToCurrentJob(Error Err) {
  if (CurrentJob)
    CurrentJob->Failure =
        joinErrors(std::move(CurrentJob->Failure), std::move(Err));
  else
    consumeError(std::move(Err));
}

/// Every symbol that others may refer to, and one more to ask for: an object
/// may have none.
static MaterializationUnit::Interface interfaceOf(LinkGraph &G,
                                                  SymbolStringPtr Whole) {
  MaterializationUnit::Interface I;
  for (Symbol *Sym : G.defined_symbols())
    if (Sym->hasName() && Sym->getScope() != Scope::Local)
      I.SymbolFlags[Sym->getName()] =
          LinkGraphLayer::getJITSymbolFlagsForSymbol(*Sym);
  I.SymbolFlags[Whole] = JITSymbolFlags::MaterializationSideEffectsOnly;
  I.InitSymbol = std::move(Whole);
  return I;
}

static Error withoutTwins(Error Err) {
  return handleErrors(std::move(Err), [](const DuplicateDefinition &E) {
    return makeError(FS_ERROR_MISUSE, StringRef(E.getSymbolName()) +
                                          " is defined twice in this library");
  });
}

Error link(fs_session &S, JITDylib &JD, std::unique_ptr<LinkGraph> G,
           LinkJob &Job) {
  ExecutionSession &ES = S.orc();
  SymbolStringPtr Whole =
      ES.intern("$fromsource." + std::to_string(Job.Ordinal));
  ResourceTrackerSP Tracker = JD.createResourceTracker();
  auto I = interfaceOf(*G, Whole);
  if (Error Err = JD.define(std::make_unique<LinkUnit>(S.layer(), std::move(G),
                                                       std::move(I), Job),
                            Tracker))
    return joinErrors(withoutTwins(std::move(Err)), Tracker->remove());

  // The symbol has no address, so asking for it weakly finds nothing, after
  // everything was linked.
  auto Done = ES.lookup(
      {{&JD, JITDylibLookupFlags::MatchAllSymbols}},
      SymbolLookupSet(Whole, orc::SymbolLookupFlags::WeaklyReferencedSymbol));
  if (Done && !Job.Failure)
    return Error::success();
  if (!Done) {
    // "Failed to materialize": the reason was reported to the job.
    if (Job.Failure)
      consumeError(Done.takeError());
    else
      Job.Failure = Done.takeError();
  }
  return joinErrors(std::move(Job.Failure), Tracker->remove());
}

} // namespace fromsource
