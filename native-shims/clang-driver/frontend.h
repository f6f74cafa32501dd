//===- frontend.h - C and C++ in, an object or IR out -----------*- C++ -*-===//

#ifndef FROMSOURCE_FRONTEND_H
#define FROMSOURCE_FRONTEND_H

#include "job.h"
#include "memory_output.h"
#include "protocol.h"
#include "llvm/Support/VirtualFileSystem.h"
#include <optional>
#include <set>

namespace fromsource {

struct Preamble;

/// How a compile of a source ended.
struct SourceResult {
  /// When not, the output is not to be used.
  bool Succeeded = false;
  /// Of a compile with a preamble: what was printed may not be what a compile
  /// without one prints.
  bool IsDoubtful = false;
  /// Of a compile with a preamble: it could not be read.
  bool IsPreambleBad = false;
  std::string Text;
  /// The macros of time that were expanded.
  std::set<std::string> Volatile;
  Bytes Output;
};

/// Compiles as `clang -cc1` would, or with the prefix of `Source` taken from
/// `Prefix`, when that is not null. IR that is `Optimised` goes through no
/// passes. What comes before `DeclaredBefore` is only declared, see
/// declared_only.h. `Times` are added to.
SourceResult compileSource(const Job &What, OutputKind Kind,
                           llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> FS,
                           const Preamble *Prefix, llvm::StringRef Source,
                           bool Optimised, std::optional<size_t> DeclaredBefore,
                           PhaseTimes &Times);

} // namespace fromsource

#endif // FROMSOURCE_FRONTEND_H
