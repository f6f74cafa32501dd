//===- slab_memory.h - JITLink's memory, taken from the slab ----*- C++ -*-===//

#ifndef FROMSOURCE_SLAB_MEMORY_H
#define FROMSOURCE_SLAB_MEMORY_H

#include "slab.h"
#include "llvm/ExecutionEngine/JITLink/JITLinkMemoryManager.h"

namespace fromsource {

/// Each link gets one range of the slab, its segments page by page in it. Pages
/// are writable until finalize and have their final protection from then on:
/// never writable and executable at once.
class SlabMemory : public llvm::jitlink::JITLinkMemoryManager {
public:
  explicit SlabMemory(Slab &S) : S(S) {}

  using JITLinkMemoryManager::allocate;
  using JITLinkMemoryManager::deallocate;
  void allocate(const llvm::jitlink::JITLinkDylib *JD,
                llvm::jitlink::LinkGraph &G,
                OnAllocatedFunction OnAllocated) override;
  void deallocate(std::vector<FinalizedAlloc> Allocs,
                  OnDeallocatedFunction OnDeallocated) override;

private:
  class Link;
  Slab &S;
};

} // namespace fromsource

#endif // FROMSOURCE_SLAB_MEMORY_H
