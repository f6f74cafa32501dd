//===- prefix_watch.h - What a prefix does beyond its text ------*- C++ -*-===//

#ifndef FROMSOURCE_PREFIX_WATCH_H
#define FROMSOURCE_PREFIX_WATCH_H

#include "llvm/ADT/StringRef.h"
#include <map>
#include <memory>
#include <string>

namespace clang {
class PPCallbacks;
class SourceManager;
} // namespace clang

namespace fromsource {

/// Watches the parsing of a prefix for what a later compile would not find in
/// it as it was: the time of day, the counter, renamed lines, and the effect of
/// pragmas, of which clang keeps some (packing, diagnostics) and loses others
/// (visibility, weak names, sections). System headers undo theirs; so that is
/// what is asked for.
class PrefixWatch {
public:
  /// To be added to a preprocessor. The watch must outlive it.
  std::unique_ptr<clang::PPCallbacks>
  callbacks(const clang::SourceManager &Sources);

  /// To be called when the prefix was parsed: looks for what is evaluated only
  /// later, under the absolute names that files have in a preamble.
  void noteContents(const clang::SourceManager &Sources);

  /// Of a prefix: nothing of that kind was seen, or it was undone. A macro that
  /// stays pushed is harmless as long as the rest does not pop it, and clang
  /// pushes two in every compile.
  bool isHarmless() const;

  /// Of the rest: it undoes something that it did not do itself.
  bool undoesForeign() const { return UndoesForeign; }

  /// `Text` is what follows `#pragma`.
  void notePragma(llvm::StringRef Text);
  void noteHarm() { IsHarmful = true; }

private:
  void open(const std::string &What) { ++Depths[What]; }
  void close(const std::string &What);

  bool IsHarmful = false;
  bool UndoesForeign = false;
  std::map<std::string, int> Depths;
};

} // namespace fromsource

#endif // FROMSOURCE_PREFIX_WATCH_H
