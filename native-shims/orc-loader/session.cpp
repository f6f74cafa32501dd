//===- session.cpp - The one ORC session of the process -------------------===//

#include "session.h"
#include "error.h"
#include "link.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ExecutionEngine/Orc/SelfExecutorProcessControl.h"

using namespace llvm;
using namespace fromsource;

/// Of the slab, for what code addresses directly and no object brings: the
/// processor's features, then 8 bytes for each dylib.
static constexpr uint64_t OwnBytes = 512 << 10;
static constexpr size_t MostHandles = OwnBytes / 8 - 4;

static std::mutex CreationMutex;
static std::atomic<fs_session *> TheSession{nullptr};

Expected<fs_session *> fs_session::get(uint64_t SlabBytes) {
  std::lock_guard<std::mutex> Lock(CreationMutex);
  if (fs_session *S = TheSession)
    return S;
  std::unique_ptr<fs_session> S(new fs_session());
  if (Error Err = S->start(SlabBytes))
    return Err;
  TheSession = S.get();
  return S.release();
}

fs_session *fs_session::existing() { return TheSession; }

Error fs_session::start(uint64_t SlabBytes) {
  auto Made = Slab::create(SlabBytes);
  if (!Made)
    return Made.takeError();
  Memory = std::move(*Made);
  auto Area = Memory->allocate(OwnBytes, Memory->pageSize());
  if (!Area)
    return Area.takeError();
  static_assert(alignof(CpuInfo) <= 8);
  Cpu = reinterpret_cast<CpuInfo *>(*Area);
  Cpu->fill();
  Handles = reinterpret_cast<void **>(*Area + alignTo<8>(sizeof(CpuInfo)));

  auto Control = orc::SelfExecutorProcessControl::Create(
      nullptr, std::make_unique<orc::InPlaceTaskDispatcher>(),
      std::make_unique<SlabMemory>(*Memory));
  if (!Control)
    return Control.takeError();
  ES = std::make_unique<orc::ExecutionSession>(std::move(*Control));
  ES->setErrorReporter(reportToCurrentJob);
  Layer = std::make_unique<orc::LinkGraphLinkingLayer>(*ES);
  Layer->addPlugin(makeLinkPlugin());
  return Error::success();
}

uint64_t fs_session::bytesInUse() const {
  return Memory->bytesInUse() - OwnBytes;
}

Expected<void *> fs_session::takeDsoHandle() {
  std::lock_guard<std::mutex> Lock(Mutex);
  if (!FreeHandles.empty()) {
    void *Handle = FreeHandles.back();
    FreeHandles.pop_back();
    return Handle;
  }
  if (HandlesUsed == MostHandles)
    return makeError(FS_ERROR_MEMORY_EXHAUSTED,
                     Twine(HandlesUsed) + " libraries are live at once: "
                                          "dispose some");
  void **Handle = Handles + HandlesUsed++;
  // crtstuff's `void *__dso_handle = &__dso_handle`.
  *Handle = Handle;
  return Handle;
}

void fs_session::giveBackDsoHandle(void *Handle) {
  std::lock_guard<std::mutex> Lock(Mutex);
  FreeHandles.push_back(Handle);
}

void fs_session::addFinalisable(fs_dylib *Dylib) {
  std::lock_guard<std::mutex> Lock(Mutex);
  Finalisable.push_back(Dylib);
}

void fs_session::removeFinalisable(fs_dylib *Dylib) {
  std::lock_guard<std::mutex> Lock(Mutex);
  llvm::erase(Finalisable, Dylib);
}

std::vector<fs_dylib *> fs_session::finalisable() {
  std::lock_guard<std::mutex> Lock(Mutex);
  return Finalisable;
}

void fs_session::dropUnusedNames() {
  if (++Removals % 64 == 0)
    ES->getSymbolStringPool()->clearDeadEntries();
}
