//===- supported.h - What is compiled in this process -----------*- C++ -*-===//

#ifndef FROMSOURCE_SUPPORTED_H
#define FROMSOURCE_SUPPORTED_H

#include <string>

namespace clang {
class CompilerInvocation;
}

namespace fromsource {

/// Why this process must not or can't do what the options ask; empty when it
/// can. Options of LLVM are global to the process, which ignores them silently
/// after its first compile; plugins and timers stay; and every file that clang
/// writes besides the object would be lost.
std::string whyUnsupported(const clang::CompilerInvocation &Invocation);

/// Whether a preamble of a supported compile can't be told from the result:
/// with debug information C++ types are written in another order, sanitizers
/// and coverage name places, and warnings about the prefix's unused macros
/// would be lost.
bool mayKeepPreamble(const clang::CompilerInvocation &Invocation);

/// Changes what a compile among others does not do as one in a process of its
/// own: memory is freed, and no dependency rule is written.
void prepareInvocation(clang::CompilerInvocation &Invocation);

} // namespace fromsource

#endif // FROMSOURCE_SUPPORTED_H
