//===- slab_memory.cpp - JITLink's memory, taken from the slab ------------===//

#include "slab_memory.h"
#include "error.h"
#include "llvm/ExecutionEngine/JITLink/JITLink.h"
#include <cerrno>
#include <cstring>
#include <sys/mman.h>

using namespace llvm;
using namespace llvm::jitlink;

namespace fromsource {

namespace {

struct Range {
  char *Address;
  uint64_t Size;
};

struct Segment {
  Range Pages;
  int Protection;
};

/// What a FinalizedAlloc points to.
struct Allocation {
  Range Pages;
  std::vector<orc::shared::WrapperFunctionCall> DeallocActions;
};

int protectionOf(orc::MemProt Prot) {
  int Result = PROT_NONE;
  if ((Prot & orc::MemProt::Read) != orc::MemProt::None)
    Result |= PROT_READ;
  if ((Prot & orc::MemProt::Write) != orc::MemProt::None)
    Result |= PROT_WRITE;
  if ((Prot & orc::MemProt::Exec) != orc::MemProt::None)
    Result |= PROT_EXEC;
  return Result;
}

} // namespace

class SlabMemory::Link : public JITLinkMemoryManager::InFlightAlloc {
public:
  Link(Slab &S, LinkGraph &G, Range Pages, std::vector<Segment> Segments)
      : S(S), G(G), Pages(Pages), Segments(std::move(Segments)) {}

  void finalize(OnFinalizedFunction OnFinalized) override {
    if (Error Err = protect()) {
      release();
      OnFinalized(std::move(Err));
      return;
    }
    std::vector<orc::shared::WrapperFunctionCall> DeallocActions;
    if (!G.allocActions().empty()) {
      auto Ran = orc::shared::runFinalizeActions(G.allocActions());
      if (!Ran) {
        release();
        OnFinalized(Ran.takeError());
        return;
      }
      DeallocActions = std::move(*Ran);
    }
    OnFinalized(FinalizedAlloc(orc::ExecutorAddr::fromPtr(
        new Allocation{Pages, std::move(DeallocActions)})));
  }

  void abandon(OnAbandonedFunction OnAbandoned) override {
    release();
    OnAbandoned(Error::success());
  }

private:
  Error protect() {
    for (const Segment &Seg : Segments) {
      if ((Seg.Protection & PROT_WRITE) && (Seg.Protection & PROT_EXEC))
        return makeError(FS_ERROR_UNSUPPORTED,
                         "the object has a section that is both writable and "
                         "executable");
      if (Seg.Protection == (PROT_READ | PROT_WRITE))
        continue;
      if (mprotect(Seg.Pages.Address, Seg.Pages.Size, Seg.Protection) != 0)
        return makeError(errno == ENOMEM ? FS_ERROR_MEMORY_EXHAUSTED
                                         : FS_ERROR_MEMORY_DENIED,
                         Twine("could not protect the linked pages: ") +
                             strerror(errno));
    }
    return Error::success();
  }

  void release() {
    if (Pages.Size)
      S.release(Pages.Address, Pages.Size);
    Pages.Size = 0;
  }

  Slab &S;
  LinkGraph &G;
  Range Pages;
  std::vector<Segment> Segments;
};

void SlabMemory::allocate(const JITLinkDylib *, LinkGraph &G,
                          OnAllocatedFunction OnAllocated) {
  BasicLayout Layout(G);
  const uint64_t PageSize = S.pageSize();

  uint64_t Total = 0;
  uint64_t Alignment = PageSize;
  for (auto &[Group, Seg] : Layout.segments()) {
    uint64_t Align = std::max(PageSize, Seg.Alignment.value());
    Alignment = std::max(Alignment, Align);
    Total = alignTo(Total, Align) +
            alignTo(Seg.ContentSize + Seg.ZeroFillSize, PageSize);
    if (Total > (1ull << 31)) {
      OnAllocated(makeError(FS_ERROR_MEMORY_EXHAUSTED,
                            "the object needs more than 2 GiB of memory"));
      return;
    }
  }

  char *Base = nullptr;
  if (Total) {
    auto Allocated = S.allocate(Total, Alignment);
    if (!Allocated) {
      OnAllocated(Allocated.takeError());
      return;
    }
    Base = *Allocated;
  }

  // apply() moves Seg.Addr, so the ranges to protect are kept here.
  std::vector<Segment> Segments;
  uint64_t Offset = 0;
  for (auto &[Group, Seg] : Layout.segments()) {
    Offset = alignTo(Offset, std::max(PageSize, Seg.Alignment.value()));
    uint64_t Size = alignTo(Seg.ContentSize + Seg.ZeroFillSize, PageSize);
    Seg.WorkingMem = Base + Offset;
    Seg.Addr = orc::ExecutorAddr::fromPtr(Base + Offset);
    Segments.push_back(
        {{Base + Offset, Size}, protectionOf(Group.getMemProt())});
    Offset += Size;
  }

  auto Flight =
      std::make_unique<Link>(S, G, Range{Base, Total}, std::move(Segments));
  if (Error Err = Layout.apply()) {
    Flight->abandon([](Error E) { consumeError(std::move(E)); });
    OnAllocated(std::move(Err));
    return;
  }
  OnAllocated(std::move(Flight));
}

void SlabMemory::deallocate(std::vector<FinalizedAlloc> Allocs,
                            OnDeallocatedFunction OnDeallocated) {
  Error Err = Error::success();
  while (!Allocs.empty()) {
    std::unique_ptr<Allocation> A(
        Allocs.back().release().toPtr<Allocation *>());
    Allocs.pop_back();
    if (!A->DeallocActions.empty())
      Err = joinErrors(std::move(Err),
                       orc::shared::runDeallocActions(A->DeallocActions));
    if (A->Pages.Size)
      S.release(A->Pages.Address, A->Pages.Size);
  }
  OnDeallocated(std::move(Err));
}

} // namespace fromsource
