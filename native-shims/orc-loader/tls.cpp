//===- tls.cpp - Thread-local storage of JIT code -------------------------===//

#include "tls.h"
#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <pthread.h>

extern "C" {
void *__tls_get_addr(void *);
int __cxa_thread_atexit_impl(void (*)(void *), void *, void *);
extern void *__dso_handle __attribute__((visibility("hidden")));
}

namespace fromsource {

namespace {

struct Copy {
  uint64_t Id = 0;
  char *Block = nullptr;
};

struct Destructor {
  void (*Function)(void *);
  void *Object;
  void *DsoHandle;
};

/// Owned by its thread. Others change it only under the registry's mutex, and
/// only what the owner does not use: copies of modules that are going.
struct Thread {
  std::vector<Copy> Copies;
  std::vector<Destructor> Pending;
  bool WillRunPending = false;
};

struct RunningDestructor {
  void *DsoHandle;
  pthread_t Thread;
};

struct Registry {
  std::mutex Mutex;
  std::condition_variable Finished;
  std::vector<Thread *> Threads;
  std::vector<RunningDestructor> Running;
  std::vector<uint32_t> FreeSlots;
  uint32_t NextSlot = 0;
  uint64_t NextId = 1;
  pthread_key_t ThreadEnds;
};

thread_local Thread *Current = nullptr;

Registry &registry();

void endThread(void *Data) {
  auto *Ending = static_cast<Thread *>(Data);
  Registry &R = registry();
  {
    std::lock_guard<std::mutex> Lock(R.Mutex);
    R.Threads.erase(std::find(R.Threads.begin(), R.Threads.end(), Ending));
  }
  for (Copy &C : Ending->Copies)
    free(C.Block);
  delete Ending;
  Current = nullptr;
}

/// On the heap for good: threads may end after static destructors have run.
Registry &registry() {
  static Registry *R = [] {
    auto *Made = new Registry();
    pthread_key_create(&Made->ThreadEnds, endThread);
    return Made;
  }();
  return *R;
}

Thread &current() {
  if (!Current) {
    Registry &R = registry();
    Current = new Thread();
    pthread_setspecific(R.ThreadEnds, Current);
    std::lock_guard<std::mutex> Lock(R.Mutex);
    R.Threads.push_back(Current);
  }
  return *Current;
}

/// Takes the last pending destructor that `Wanted` accepts and runs it.
template <typename Predicate> bool runLast(Predicate Wanted) {
  Registry &R = registry();
  auto &Pending = current().Pending;
  std::unique_lock<std::mutex> Lock(R.Mutex);
  auto I = std::find_if(Pending.rbegin(), Pending.rend(), Wanted);
  if (I == Pending.rend())
    return false;
  Destructor D = *I;
  Pending.erase(std::next(I).base());
  R.Running.push_back({D.DsoHandle, pthread_self()});
  Lock.unlock();
  D.Function(D.Object);
  Lock.lock();
  auto Mine = std::find_if(R.Running.begin(), R.Running.end(), [&](auto &E) {
    return E.DsoHandle == D.DsoHandle &&
           pthread_equal(E.Thread, pthread_self());
  });
  R.Running.erase(Mine);
  Lock.unlock();
  R.Finished.notify_all();
  return true;
}

void runAllPending(void *) {
  current().WillRunPending = false;
  while (runLast([](const Destructor &) { return true; }))
    ;
}

__attribute__((noinline)) char *makeCopy(const TlsModule &Module) {
  Thread &T = current();
  size_t Align = std::max<size_t>(Module.Align, 16);
  size_t Size = (std::max<size_t>(Module.Size, 1) + Align - 1) & -Align;
  auto *Block = static_cast<char *>(aligned_alloc(Align, Size));
  if (!Block)
    abort(); // As ld.so does: the accessing code cannot be told.
  memcpy(Block, Module.Image.data(), Module.Image.size());
  memset(Block + Module.Image.size(), 0, Size - Module.Image.size());

  std::lock_guard<std::mutex> Lock(registry().Mutex);
  if (T.Copies.size() <= Module.Slot)
    T.Copies.resize(Module.Slot + 1);
  T.Copies[Module.Slot] = {Module.Id, Block};
  return Block;
}

} // namespace

TlsModule *createTlsModule(size_t Size, size_t Align, std::vector<char> Image) {
  Registry &R = registry();
  std::lock_guard<std::mutex> Lock(R.Mutex);
  uint32_t Slot = R.NextSlot;
  if (R.FreeSlots.empty()) {
    ++R.NextSlot;
  } else {
    Slot = R.FreeSlots.back();
    R.FreeSlots.pop_back();
  }
  return new TlsModule{R.NextId++, Slot, Size, Align, std::move(Image)};
}

void destroyTlsModule(TlsModule *Module) {
  Registry &R = registry();
  {
    std::lock_guard<std::mutex> Lock(R.Mutex);
    for (Thread *T : R.Threads) {
      if (T->Copies.size() <= Module->Slot)
        continue;
      Copy &C = T->Copies[Module->Slot];
      if (C.Id == Module->Id)
        free(C.Block);
      C = Copy();
    }
    R.FreeSlots.push_back(Module->Slot);
  }
  delete Module;
}

void *tlsGetAddr(TlsEntry *Entry) {
  if (Entry->Module < 0x10000)
    return __tls_get_addr(Entry);
  auto &Module = *reinterpret_cast<TlsModule *>(Entry->Module);
  Thread *T = Current;
  if (T && Module.Slot < T->Copies.size()) {
    const Copy &C = T->Copies[Module.Slot];
    if (C.Id == Module.Id)
      return C.Block + Entry->Offset;
  }
  return makeCopy(Module) + Entry->Offset;
}

int threadAtexit(void (*Function)(void *), void *Object, void *DsoHandle) {
  Thread &T = current();
  if (!T.WillRunPending) {
    if (int Failed =
            __cxa_thread_atexit_impl(runAllPending, nullptr, &__dso_handle))
      return Failed;
    T.WillRunPending = true;
  }
  std::lock_guard<std::mutex> Lock(registry().Mutex);
  T.Pending.push_back({Function, Object, DsoHandle});
  return 0;
}

void runThreadDestructors(void *DsoHandle) {
  if (!Current)
    return;
  while (runLast([&](const Destructor &D) { return D.DsoHandle == DsoHandle; }))
    ;
}

void dropThreadDestructors(void *DsoHandle) {
  Registry &R = registry();
  std::unique_lock<std::mutex> Lock(R.Mutex);
  for (Thread *T : R.Threads) {
    auto &Pending = T->Pending;
    Pending.erase(
        std::remove_if(Pending.begin(), Pending.end(),
                       [&](auto &D) { return D.DsoHandle == DsoHandle; }),
        Pending.end());
  }
  R.Finished.wait(Lock, [&] {
    return std::none_of(R.Running.begin(), R.Running.end(), [&](auto &E) {
      return E.DsoHandle == DsoHandle &&
             !pthread_equal(E.Thread, pthread_self());
    });
  });
}

} // namespace fromsource
