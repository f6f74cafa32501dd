//===- frames.cpp - Unwind information of JIT code ------------------------===//

#include "frames.h"
#include <cstdint>
#include <dlfcn.h>
#include <map>
#include <mutex>

extern "C" void __register_frame(void *);
extern "C" void __deregister_frame(void *);

namespace fromsource {

namespace {

using Tell = void (*)(uintptr_t);

std::mutex Mutex;

/// Of LLVM's libunwind: what forgets a section, for each that it was told of.
std::map<void *, Tell> &told() {
  static auto *Told = new std::map<void *, Tell>();
  return *Told;
}

} // namespace

void registerFrames(void *EhFrame) {
  __register_frame(EhFrame);
  void *Llvm = dlopen("libunwind.so.1", RTLD_LAZY | RTLD_NOLOAD);
  if (!Llvm)
    return;
  auto Add =
      reinterpret_cast<Tell>(dlsym(Llvm, "__unw_add_dynamic_eh_frame_section"));
  auto Remove = reinterpret_cast<Tell>(
      dlsym(Llvm, "__unw_remove_dynamic_eh_frame_section"));
  if (!Add || !Remove) {
    dlclose(Llvm);
    return;
  }
  // It stays open, as long as it has something to forget.
  Add(reinterpret_cast<uintptr_t>(EhFrame));
  std::lock_guard<std::mutex> Lock(Mutex);
  told()[EhFrame] = Remove;
}

void deregisterFrames(void *EhFrame) {
  __deregister_frame(EhFrame);
  Tell Remove;
  {
    std::lock_guard<std::mutex> Lock(Mutex);
    auto I = told().find(EhFrame);
    if (I == told().end())
      return;
    Remove = I->second;
    told().erase(I);
  }
  Remove(reinterpret_cast<uintptr_t>(EhFrame));
  if (void *Llvm = dlopen("libunwind.so.1", RTLD_LAZY | RTLD_NOLOAD)) {
    dlclose(Llvm);
    dlclose(Llvm);
  }
}

} // namespace fromsource
