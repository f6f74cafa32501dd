//===- error.h - Errors inside the shim and at its boundary -----*- C++ -*-===//

#ifndef FROMSOURCE_ERROR_H
#define FROMSOURCE_ERROR_H

#include "orc_loader.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

struct fs_error {
  fs_error_kind Kind = FS_ERROR_INTERNAL;
  std::string Message;
  std::string Symbols;
  std::string Candidates;
};

namespace fromsource {

/// An llvm::Error that knows its kind.
class LoaderError : public llvm::ErrorInfo<LoaderError> {
public:
  static char ID;

  LoaderError(fs_error_kind Kind, std::string Message)
      : Kind(Kind), Message(std::move(Message)) {}

  void log(llvm::raw_ostream &OS) const override;
  std::error_code convertToErrorCode() const override;

  fs_error_kind Kind;
  std::string Message;
  /// Sorted; only with FS_ERROR_MISSING_SYMBOLS.
  std::vector<std::string> Symbols;
  /// Names that a missing one may have been meant to be.
  std::vector<std::string> Candidates;
};

llvm::Error makeError(fs_error_kind Kind, const llvm::Twine &Message);

/// Turns what JITLink and ORC report into a kind; `Fallback` is for messages
/// that say nothing better.
fs_error *toFsError(llvm::Error Err, fs_error_kind Fallback);

} // namespace fromsource

#endif // FROMSOURCE_ERROR_H
