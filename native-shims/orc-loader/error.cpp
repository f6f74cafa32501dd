//===- error.cpp - Errors inside the shim and at its boundary -------------===//

#include "error.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace fromsource {

char LoaderError::ID;

void LoaderError::log(raw_ostream &OS) const { OS << Message; }

std::error_code LoaderError::convertToErrorCode() const {
  return inconvertibleErrorCode();
}

Error makeError(fs_error_kind Kind, const Twine &Message) {
  return make_error<LoaderError>(Kind, Message.str());
}

/// JITLink has one error class for everything, so its text must tell.
static void classify(fs_error &Result, fs_error_kind Fallback) {
  StringRef Text = Result.Message;
  Result.Kind = Fallback;
  if (Text.contains("Unsupported x86-64 relocation")) {
    Result.Kind = FS_ERROR_UNSUPPORTED;
  } else if (Text.contains("out of range")) {
    Result.Kind = FS_ERROR_UNSUPPORTED;
    Result.Message += ": compile with -fPIC";
  }
}

fs_error *toFsError(Error Err, fs_error_kind Fallback) {
  auto *Result = new fs_error();
  bool Known = false;
  handleAllErrors(
      std::move(Err),
      [&](LoaderError &E) {
        if (Known)
          return;
        Known = true;
        Result->Kind = E.Kind;
        Result->Message = E.Message;
        Result->Symbols = join(E.Symbols, "\n");
        Result->Candidates = join(E.Candidates, "\n");
      },
      [&](const ErrorInfoBase &E) {
        if (Known)
          return;
        if (!Result->Message.empty())
          Result->Message += "; ";
        Result->Message += StringRef(E.message()).rtrim().str();
      });
  if (!Known)
    classify(*Result, Fallback);
  return Result;
}

} // namespace fromsource
