//===- ir.h - LLVM IR as an input -------------------------------*- C++ -*-===//

#ifndef FROMSOURCE_IR_H
#define FROMSOURCE_IR_H

#include "job.h"
#include "memory_output.h"
#include <optional>

namespace fromsource {

/// What was found about IR before clang compiles it.
struct IRCheck {
  bool IsGood = false;
  /// In the form of clang's messages, one a line.
  std::string Text;
  /// The function that text is in which can't be parsed, to be added to what
  /// clang says.
  std::string Note;
  /// The module as bitcode, when it went through the caller's passes.
  std::optional<Bytes> Optimised;
};

/// Verifies text or bitcode, and runs `Passes` on it, which are written as for
/// `opt -passes=`. clang itself names no function in what it says about an
/// invalid module, and compiles one for another machine with a warning.
///
/// What can't be parsed is good: clang says best why.
IRCheck checkIR(const Job &What, llvm::StringRef Input,
                const std::optional<std::string> &Passes);

} // namespace fromsource

#endif // FROMSOURCE_IR_H
