//===- preamble.h - Headers parsed once -------------------------*- C++ -*-===//

#ifndef FROMSOURCE_PREAMBLE_H
#define FROMSOURCE_PREAMBLE_H

#include "job.h"
#include "protocol.h"
#include "clang/Frontend/PrecompiledPreamble.h"
#include <functional>
#include <list>
#include <optional>

namespace fromsource {

/// The parsed prefix of a source: its leading directives and all they include.
struct Preamble {
  std::string Key;
  /// Nothing when the prefix must be parsed every time; that is kept too.
  std::optional<clang::PrecompiledPreamble> Parsed;
  /// What decided it.
  FileRecord Record;
};

/// Preambles in memory, least recently used last.
///
/// One is used only for the same arguments, working folder, prefix and files
/// in memory, while every file that was read for it is unchanged and every path
/// that was looked for in vain still is. clang's own check, `CanReuse`, misses
/// a header that hides another one, an edit of the same size within a second, a
/// target of `__has_include` that appears, and another `-D`.
///
/// None is made where its use could be told from the result, other than by the
/// time: for some options (see supported.h), and where parsing the prefix
/// printed anything or did what prefix_watch.h watches for.
class PreambleCache {
public:
  using FileSystemMaker =
      std::function<llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem>(
          llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> Disk)>;

  explicit PreambleCache(DigestMemo &Memo) : Memo(Memo) {}

  /// The preamble for a request, made when there is none, or null. `Layered`
  /// puts the files of the request over those on disk; `SetStdin` says what
  /// clang reads from `-`. It is valid until the next call.
  const Preamble *get(const Job &What, const CompileMessage &Message,
                      const FileSystemMaker &Layered,
                      const std::function<void(llvm::StringRef)> &SetStdin,
                      PreambleUse &Use);

  /// After a failure that it may be the cause of.
  void drop(const Preamble *Bad);

private:
  void shrink();

  DigestMemo &Memo;
  std::list<Preamble> Recent;
};

} // namespace fromsource

#endif // FROMSOURCE_PREAMBLE_H
