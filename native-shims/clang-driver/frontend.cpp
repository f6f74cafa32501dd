//===- frontend.cpp - C and C++ in, an object or IR out -------------------===//

#include "frontend.h"
#include "declared_only.h"
#include "guard.h"
#include "phases.h"
#include "preamble.h"
#include "prefix_watch.h"
#include "time_macros.h"
#include "clang/CodeGen/CodeGenAction.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Frontend/CompilerInvocation.h"
#include "clang/Frontend/TextDiagnosticBuffer.h"
#include "clang/Frontend/TextDiagnosticPrinter.h"
#include "clang/Lex/PPCallbacks.h"
#include "clang/Lex/Preprocessor.h"
#include "clang/Lex/PreprocessorOptions.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace clang;
using namespace llvm;

namespace fromsource {

namespace {
/// With a watch on the macros of time, and on the pragmas behind a preamble,
/// and without a part that is only to be declared.
template <typename Action> class Watched : public Action {
public:
  Watched(std::set<std::string> &Volatile, PrefixWatch *Watch,
          std::optional<size_t> DeclaredBefore)
      : Volatile(Volatile), Watch(Watch), DeclaredBefore(DeclaredBefore) {}

protected:
  bool BeginSourceFileAction(CompilerInstance &CI) override {
    // IR has none.
    if (CI.hasPreprocessor())
      CI.getPreprocessor().addPPCallbacks(noteTimeMacros(Volatile));
    if (Watch)
      CI.getPreprocessor().addPPCallbacks(
          Watch->callbacks(CI.getSourceManager()));
    return Action::BeginSourceFileAction(CI);
  }

  std::unique_ptr<ASTConsumer> CreateASTConsumer(CompilerInstance &CI,
                                                 StringRef File) override {
    std::unique_ptr<ASTConsumer> Made = Action::CreateASTConsumer(CI, File);
    if (!Made || !DeclaredBefore)
      return Made;
    return declareOnly(std::move(Made), CI.getSourceManager(), *DeclaredBefore);
  }

private:
  std::set<std::string> &Volatile;
  PrefixWatch *const Watch;
  const std::optional<size_t> DeclaredBefore;
};
} // namespace

static std::unique_ptr<FrontendAction>
actionFor(OutputKind Kind, std::set<std::string> &Volatile, PrefixWatch *Watch,
          std::optional<size_t> DeclaredBefore) {
  switch (Kind) {
  case OutputKind::Object:
    return std::make_unique<Watched<EmitObjAction>>(Volatile, Watch,
                                                    DeclaredBefore);
  case OutputKind::Bitcode:
    return std::make_unique<Watched<EmitBCAction>>(Volatile, Watch,
                                                   DeclaredBefore);
  case OutputKind::IR:
    return std::make_unique<Watched<EmitLLVMAction>>(Volatile, Watch,
                                                     DeclaredBefore);
  }
  return nullptr;
}

namespace {
/// Prints, and notices what a preamble can change. A place in the prefix is
/// printed under another name; an error may come with a guess at what was
/// meant, and the names of the prefix are guessed in another order.
class Printer : public TextDiagnosticPrinter {
public:
  Printer(raw_ostream &To, DiagnosticOptions &Options, SourceResult &Result)
      : TextDiagnosticPrinter(To, Options), Result(Result) {}

  void HandleDiagnostic(DiagnosticsEngine::Level Level,
                        const Diagnostic &Info) override {
    SourceLocation Where = Info.getLocation();
    bool IsPlaced = Info.hasSourceManager() && Where.isValid();
    if (Level >= DiagnosticsEngine::Error || !IsPlaced ||
        isInPrefix(Where, Info.getSourceManager()))
      Result.IsDoubtful = true;
    if (Level >= DiagnosticsEngine::Error && !IsPlaced)
      Result.IsPreambleBad = true;
    TextDiagnosticPrinter::HandleDiagnostic(Level, Info);
  }

private:
  /// Also when only a macro of the prefix is involved.
  static bool isInPrefix(SourceLocation Where, const SourceManager &Sources) {
    for (; Where.isMacroID(); Where = Sources.getImmediateMacroCallerLoc(Where))
      if (Sources.isLoadedSourceLocation(Where) ||
          Sources.isLoadedSourceLocation(Sources.getSpellingLoc(Where)))
        return true;
    return Sources.isLoadedSourceLocation(Where);
  }

  SourceResult &Result;
};
} // namespace

SourceResult compileSource(const Job &What, OutputKind Kind,
                           IntrusiveRefCntPtr<vfs::FileSystem> FS,
                           const Preamble *Prefix, StringRef Source,
                           bool Optimised, std::optional<size_t> DeclaredBefore,
                           PhaseTimes &Times) {
  auto Invocation = std::make_shared<CompilerInvocation>(*What.Invocation);
  Phases Clock;
  Clock.watch(Invocation->getCodeGenOpts());
  // As the driver asks for with `-emit-llvm -c`.
  Invocation->getCodeGenOpts().EmitLLVMUseLists = Kind == OutputKind::Bitcode;
  Invocation->getCodeGenOpts().DisableLLVMPasses |= Optimised;
  std::unique_ptr<MemoryBuffer> Main;
  if (Prefix) {
    Main = MemoryBuffer::getMemBuffer(Source, "-", false);
    Invocation->getPreprocessorOpts().RetainRemappedFileBuffers = true;
    Prefix->Parsed->AddImplicitPreamble(*Invocation, FS, Main.get());
    // Its source is its stdin all the same.
    Invocation->getPreprocessorOpts().clearRemappedFiles();
  }

  PrefixWatch Watch;
  SourceResult Result;
  RequestGuard::setPrinted(&What.Text, &Result.Text);
  raw_string_ostream Printed(Result.Text);
  auto Kept = std::make_shared<Bytes>();
  {
    CompilerInstance Clang(std::move(Invocation));
    Clang.setVerboseOutputStream(Printed);
    Clang.setVirtualFileSystem(FS);
    Clang.createDiagnostics(
        new Printer(Printed, Clang.getDiagnosticOpts(), Result));
    Clang.setOutputManager(makeIntrusiveRefCnt<MemoryOutput>(Kept));
    What.Early->FlushDiagnostics(Clang.getDiagnostics());
    if (!What.Failed && !Clang.getDiagnostics().hasErrorOccurred())
      Result.Succeeded = Clang.ExecuteAction(*actionFor(
          Kind, Result.Volatile, Prefix ? &Watch : nullptr, DeclaredBefore));
  }
  RequestGuard::setPrinted(&What.Text, nullptr);
  Clock.addTo(Times);
  // A compile that failed late can leave a whole object.
  if (Result.Succeeded)
    Result.Output = std::move(*Kept);
  if (!Result.Succeeded || Watch.undoesForeign())
    Result.IsDoubtful = true;
  return Result;
}

} // namespace fromsource
