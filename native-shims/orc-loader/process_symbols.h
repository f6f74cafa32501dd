//===- process_symbols.h - What JIT code may use of its process -*- C++ -*-===//

#ifndef FROMSOURCE_PROCESS_SYMBOLS_H
#define FROMSOURCE_PROCESS_SYMBOLS_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

namespace fromsource {

/// The names of the C and C++ run-time libraries. A program like node exports
/// tens of thousands more, its own zlib and OpenSSL among them, and those must
/// never stand in for a library that someone forgot. Any thread may call.
class ProcessSymbols {
public:
  ProcessSymbols();

  /// Null when no run-time library defines the name. The address is the one
  /// that the process itself uses, which differs from the library's own where
  /// the program has a copy relocation (std::cout) or interposes (malloc).
  void *find(llvm::StringRef Name);

  struct TlsLocation {
    uint64_t Module;
    uint64_t Offset;
  };
  /// Of a thread-local variable, such as libstdc++'s for std::call_once.
  std::optional<TlsLocation> findTls(llvm::StringRef Name);

  /// The names that the C libraries export: candidates for a misspelt one.
  std::vector<std::string> cNames() const;

private:
  void *definition(const char *Name) const;

  llvm::SmallVector<void *, 8> Libraries;
  std::shared_mutex Mutex;
  llvm::StringMap<void *> Known;
};

} // namespace fromsource

#endif // FROMSOURCE_PROCESS_SYMBOLS_H
