//===- tls.h - Thread-local storage of JIT code -----------------*- C++ -*-===//

#ifndef FROMSOURCE_TLS_H
#define FROMSOURCE_TLS_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fromsource {

/// The thread-local variables of one object. A thread gets its copy when it
/// first uses one of them.
struct TlsModule {
  /// Never used twice, so that a copy left by an earlier module in the same
  /// slot is recognised.
  uint64_t Id;
  uint32_t Slot;
  size_t Size;
  size_t Align;
  /// The initial content; what follows it up to Size is zero.
  std::vector<char> Image;
};

TlsModule *createTlsModule(size_t Size, size_t Align, std::vector<char> Image);
/// Frees all threads' copies. No thread may use them any more.
void destroyTlsModule(TlsModule *Module);

/// What compiled code hands to __tls_get_addr, in the layout that it expects:
/// the module of a real shared library is a small number, one of ours a
/// pointer.
struct TlsEntry {
  uint64_t Module;
  uint64_t Offset;
};

/// Stand in for __tls_get_addr and __cxa_thread_atexit in JIT code.
void *tlsGetAddr(TlsEntry *Entry);
int threadAtexit(void (*Destructor)(void *), void *Object, void *DsoHandle);

/// Runs what the calling thread's code of this dylib registered, last first.
void runThreadDestructors(void *DsoHandle);
/// Forgets what other threads have pending for this dylib, and waits for one
/// that is running. Those objects are never destroyed: no thread can run
/// another's destructors, and their code is about to go.
void dropThreadDestructors(void *DsoHandle);

} // namespace fromsource

#endif // FROMSOURCE_TLS_H
