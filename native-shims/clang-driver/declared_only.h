//===- declared_only.h - What is declared and not defined again -*- C++ -*-===//

#ifndef FROMSOURCE_DECLARED_ONLY_H
#define FROMSOURCE_DECLARED_ONLY_H

#include <cstddef>
#include <memory>

namespace clang {
class ASTConsumer;
class SourceManager;
} // namespace clang

namespace fromsource {

/// A consumer in front of the one that makes code. What stands in the main file
/// before `Offset`, or in what is included there, is a library that lives
/// already: its functions and variables are used and not made again. Made again
/// are only those of which a program may have several copies that are alike:
/// inline functions, templates, static functions and constants.
///
/// A static function or variable that keeps state can't be reached in the
/// living library. It becomes an undefined symbol whose name begins with
/// `fromsource.static:`, so that its use is noticed.
std::unique_ptr<clang::ASTConsumer>
declareOnly(std::unique_ptr<clang::ASTConsumer> Rest,
            const clang::SourceManager &Sources, size_t Offset);

} // namespace fromsource

#endif // FROMSOURCE_DECLARED_ONLY_H
