//===- time_macros.cpp - Uses of the time of day --------------------------===//

#include "time_macros.h"
#include "clang/Lex/MacroInfo.h"
#include "clang/Lex/PPCallbacks.h"
#include "clang/Lex/Token.h"

using namespace clang;

namespace fromsource {

namespace {
class TimeMacros : public PPCallbacks {
public:
  explicit TimeMacros(std::set<std::string> &To) : To(To) {}

  void MacroExpands(const Token &Name, const MacroDefinition &Definition,
                    SourceRange, const MacroArgs *) override {
    const MacroInfo *Macro = Definition.getMacroInfo();
    if (Macro && !Macro->isBuiltinMacro())
      return;
    llvm::StringRef Text = Name.getIdentifierInfo()->getName();
    if (Text == "__DATE__" || Text == "__TIME__" || Text == "__TIMESTAMP__")
      To.insert(Text.str());
  }

private:
  std::set<std::string> &To;
};
} // namespace

std::unique_ptr<PPCallbacks> noteTimeMacros(std::set<std::string> &To) {
  return std::make_unique<TimeMacros>(To);
}

} // namespace fromsource
