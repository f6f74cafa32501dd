//===- prefix_watch.cpp - What a prefix does beyond its text --------------===//

#include "prefix_watch.h"
#include "clang/Basic/SourceManager.h"
#include "clang/Lex/PPCallbacks.h"
#include "clang/Lex/Token.h"
#include "llvm/ADT/StringExtras.h"

using namespace clang;
using namespace llvm;

namespace fromsource {

namespace {
class Watcher : public PPCallbacks {
public:
  Watcher(PrefixWatch &To, const SourceManager &Sources)
      : To(To), Sources(Sources) {}

  void MacroExpands(const Token &Name, const MacroDefinition &, SourceRange,
                    const MacroArgs *) override {
    StringRef Text = Name.getIdentifierInfo()->getName();
    if (Text == "__DATE__" || Text == "__TIME__" || Text == "__TIMESTAMP__" ||
        Text == "__COUNTER__" || Text == "__BASE_FILE__")
      To.noteHarm();
  }

  void FileChanged(SourceLocation Where, FileChangeReason Reason,
                   SrcMgr::CharacteristicKind, FileID) override {
    // By `#line`; but clang's own definitions are full of it.
    FileID File = Sources.getFileID(Where);
    if (Reason == RenameFile && Sources.getFileEntryRefForID(File))
      To.noteHarm();
  }

  void PragmaDirective(SourceLocation Where, PragmaIntroducerKind By) override {
    bool Invalid = false;
    StringRef Text(Sources.getCharacterData(Where, &Invalid));
    if (Invalid || By != PIK_HashPragma || !Where.isFileID())
      return To.noteHarm();
    Text = Text.take_until([](char C) { return C == '\n'; });
    // Continued, or with a comment in between: not worth to be understood.
    if (Text.contains('\\') || !Text.consume_front("#") ||
        !(Text = Text.ltrim()).consume_front("pragma"))
      return To.noteHarm();
    To.notePragma(Text.trim());
  }

private:
  PrefixWatch &To;
  const SourceManager &Sources;
};
} // namespace

std::unique_ptr<PPCallbacks>
PrefixWatch::callbacks(const SourceManager &Sources) {
  return std::make_unique<Watcher>(*this, Sources);
}

void PrefixWatch::noteContents(const SourceManager &Sources) {
  for (auto At = Sources.fileinfo_begin(); At != Sources.fileinfo_end(); ++At)
    if (std::optional<StringRef> Text = At->second->getBufferDataIfLoaded())
      if (Text->contains("__builtin_FILE") ||
          Text->contains("__builtin_source_location"))
        noteHarm();
}

bool PrefixWatch::isHarmless() const {
  return !IsHarmful && !UndoesForeign && all_of(Depths, [](const auto &Each) {
    return Each.second == 0 || StringRef(Each.first).starts_with("macro ");
  });
}

void PrefixWatch::close(const std::string &What) {
  if (--Depths[What] < 0)
    UndoesForeign = true;
}

void PrefixWatch::notePragma(StringRef Text) {
  SmallVector<StringRef, 8> Words;
  SplitString(Text, Words, " \t\r(),");
  auto Is = [&Words](size_t Index, StringRef Word) {
    return Index < Words.size() && Words[Index] == Word;
  };
  bool IsGCC = Is(0, "GCC") || Is(0, "clang");
  if (Is(0, "once") || (IsGCC && Is(1, "system_header")))
    return;
  if (IsGCC && (Is(1, "diagnostic") || Is(1, "visibility"))) {
    std::string Kind = Words[1].str();
    if (Is(2, "push"))
      return open(Kind);
    if (Is(2, "pop"))
      return close(Kind);
    // A change lasts until the next pop.
    return Depths[Kind] > 0 ? void() : noteHarm();
  }
  if (Is(0, "pack") && Is(1, "push"))
    return open("pack");
  if (Is(0, "pack") && Is(1, "pop") && Words.size() == 2)
    return close("pack");
  if (Is(0, "push_macro") && Words.size() >= 2)
    return open(("macro " + Words[1]).str());
  if (Is(0, "pop_macro") && Words.size() >= 2)
    return close(("macro " + Words[1]).str());
  noteHarm();
}

} // namespace fromsource
