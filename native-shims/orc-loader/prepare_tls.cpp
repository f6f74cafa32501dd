//===- prepare_tls.cpp - Thread-local symbols of a graph ------------------===//
//
// A thread-local symbol has no address, only an offset in its module's block.
// So the object's thread-local sections leave the graph: their content becomes
// the module's initial image, their symbols absolute ones whose value is the
// offset. Code that asks for a variable passes __tls_get_addr an entry of
// module and offset, which is a constant once the offsets are known.
//
//===----------------------------------------------------------------------===//

#include "error.h"
#include "link_job.h"
#include "llvm/ExecutionEngine/JITLink/x86_64.h"

using namespace llvm;
using namespace llvm::jitlink;

namespace fromsource {

namespace {

class TlsPreparation {
public:
  TlsPreparation(LinkGraph &G, LinkJob &Job) : G(G), Job(Job) {}

  Error run() {
    layOut();
    if (Error Err = bindSymbols())
      return Err;
    return bindUses();
  }

private:
  /// Content first, so that the image ends where the zeros begin.
  void layOut() {
    std::vector<Block *> Blocks;
    for (Section &Sec : G.sections())
      if (Job.Scan.TlsSections.count(Sec.getName()))
        Sections.push_back(&Sec);
    for (bool Zeros : {false, true})
      for (Section *Sec : Sections)
        for (Block *B : Sec->blocks())
          if (B->isZeroFill() == Zeros)
            Blocks.push_back(B);
    std::vector<char> Image;
    uint64_t Size = 0;
    uint64_t Align = 1;
    for (Block *B : Blocks) {
      Size = alignTo(Size, B->getAlignment());
      Align = std::max(Align, B->getAlignment());
      Offsets[B] = Size;
      Size += B->getSize();
      if (B->isZeroFill())
        continue;
      Image.resize(Size);
      memcpy(Image.data() + Offsets[B], B->getContent().data(), B->getSize());
    }
    Job.Result.Tls.reset(createTlsModule(Size, Align, std::move(Image)));
  }

  uint64_t own() const {
    return reinterpret_cast<uint64_t>(Job.Result.Tls.get());
  }

  void makeOffset(Symbol &Sym, TlsEntry Place) {
    Places[&Sym] = Place;
    G.makeAbsolute(Sym, orc::ExecutorAddr(Place.Offset));
    Sym.setScope(Scope::Local);
  }

  Error bindSymbols() {
    for (Section *Sec : Sections) {
      std::vector<Symbol *> Symbols(Sec->symbols().begin(),
                                    Sec->symbols().end());
      for (Symbol *Sym : Symbols) {
        TlsEntry Place{own(), Offsets[&Sym->getBlock()] + Sym->getOffset()};
        if (Sym->hasName() && Sym->getScope() != Scope::Local) {
          StringRef Name = *Sym->getName();
          auto Earlier = Job.EarlierTls.find(Name);
          if (Earlier != Job.EarlierTls.end()) {
            if (Sym->getLinkage() == Linkage::Strong)
              return makeError(FS_ERROR_MISUSE,
                               Name + " is defined twice in this library");
            Place = Earlier->second;
          } else {
            Job.Result.TlsSymbols[Name] = Place;
          }
        }
        makeOffset(*Sym, Place);
      }
      // Relocated content is copied into the image once it is final.
      std::vector<Block *> Blocks(Sec->blocks().begin(), Sec->blocks().end());
      for (Block *B : Blocks) {
        if (B->edges_empty()) {
          G.removeBlock(*B);
          continue;
        }
        G.addAnonymousSymbol(*B, 0, B->getSize(), false, true);
        Job.TlsBlocks.push_back({B, Offsets[B]});
      }
      Sec->setMemProt(orc::MemProt::Read);
    }
    std::vector<Symbol *> Externals(G.external_symbols().begin(),
                                    G.external_symbols().end());
    for (Symbol *Sym : Externals) {
      StringRef Name = *Sym->getName();
      if (!Job.Scan.UndefinedTls.count(Name))
        continue;
      auto Earlier = Job.EarlierTls.find(Name);
      if (Earlier != Job.EarlierTls.end())
        makeOffset(*Sym, Earlier->second);
      else if (auto Found = Job.Process.findTls(Name))
        makeOffset(*Sym, {Found->Module, Found->Offset});
    }
    return Error::success();
  }

  /// The entry that code passes to __tls_get_addr, one per place.
  Symbol &entryFor(TlsEntry Place) {
    Symbol *&Entry = Entries[{Place.Module, Place.Offset}];
    if (!Entry) {
      if (!EntrySection)
        EntrySection = &G.createSection("$fromsource.tls", orc::MemProt::Read);
      auto Content = G.allocateBuffer(sizeof(TlsEntry));
      memcpy(Content.data(), &Place, sizeof(TlsEntry));
      Block &B = G.createMutableContentBlock(*EntrySection, Content,
                                             orc::ExecutorAddr(), 8, 0);
      Entry = &G.addAnonymousSymbol(B, 0, sizeof(TlsEntry), false, false);
    }
    return *Entry;
  }

  Error bindUses() {
    // Local-dynamic code adds offsets to the start of one module's block, and
    // may share that start among variables.
    uint64_t LocalModule = 0;
    std::vector<Block *> Blocks(G.blocks().begin(), G.blocks().end());
    for (Block *B : Blocks)
      for (Edge &E : B->edges()) {
        auto I = Places.find(&E.getTarget());
        bool General =
            E.getKind() == x86_64::RequestTLSDescInGOTAndTransformToDelta32;
        // A name that nothing defines is told with all other missing ones.
        if (I == Places.end()) {
          if (General)
            E.setKind(x86_64::Delta32);
          continue;
        }
        TlsEntry Place = I->second;
        if (General) {
          E.setKind(x86_64::Delta32);
          E.setTarget(entryFor(Place));
          continue;
        }
        if (LocalModule && LocalModule != Place.Module)
          return makeError(
              FS_ERROR_UNSUPPORTED,
              "thread-local variables of several objects are used "
              "with the local-dynamic model: compile without "
              "-ftls-model and without hidden visibility for them");
        LocalModule = Place.Module;
        // Was R_X86_64_TLSLD; R_X86_64_DTPOFF32 is right as it is.
        if (E.getKind() == x86_64::Delta32)
          E.setTarget(entryFor({Place.Module, 0}));
      }
    return Error::success();
  }

  LinkGraph &G;
  LinkJob &Job;
  std::vector<Section *> Sections;
  DenseMap<Block *, uint64_t> Offsets;
  DenseMap<Symbol *, TlsEntry> Places;
  DenseMap<std::pair<uint64_t, uint64_t>, Symbol *> Entries;
  Section *EntrySection = nullptr;
};

} // namespace

Error prepareTls(LinkGraph &G, LinkJob &Job) {
  return TlsPreparation(G, Job).run();
}

} // namespace fromsource
