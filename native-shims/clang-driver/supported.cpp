//===- supported.cpp - What is compiled in this process -------------------===//

#include "supported.h"
#include "clang/Basic/CodeGenOptions.h"
#include "clang/Basic/DiagnosticLex.h"
#include "clang/Basic/DiagnosticOptions.h"
#include "clang/Basic/FileSystemOptions.h"
#include "clang/Basic/LangOptions.h"
#include "clang/Basic/TargetOptions.h"
#include "clang/Frontend/CompilerInvocation.h"
#include "clang/Frontend/DependencyOutputOptions.h"
#include "clang/Frontend/FrontendOptions.h"
#include "clang/Lex/HeaderSearchOptions.h"
#include "clang/Lex/PreprocessorOptions.h"
#include "llvm/Support/VirtualFileSystem.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace clang;
using namespace llvm;

namespace fromsource {

static const char *refuseFrontend(const FrontendOptions &O) {
  if (O.ProgramAction != frontend::EmitObj)
    return "it makes something else than an object";
  if (O.Inputs.size() != 1 || !O.Inputs[0].isFile())
    return "it does not have one input";
  if (O.OutputFile != "-")
    return "its output is a file";
  if (!O.LLVMArgs.empty() || !O.MLIRArgs.empty())
    return "options of LLVM hold for the whole process";
  if (!O.Plugins.empty() || !O.AddPluginActions.empty())
    return "a plugin can't be unloaded";
  if (!O.ModuleFiles.empty() || !O.ModuleMapFiles.empty() ||
      !O.ASTMergeFiles.empty() || O.BuildingImplicitModule)
    return "it uses modules";
  if (O.ShowStats || !O.StatsFile.empty() || !O.TimeTracePath.empty())
    return "it measures the whole process";
  if (O.ShowHelp || O.ShowVersion || O.PrintSupportedCPUs ||
      O.PrintSupportedExtensions || O.PrintEnabledExtensions)
    return "it prints instead of compiling";
  if (!O.ModuleOutputPath.empty() || O.EmitSymbolGraph ||
      !O.DumpMinimizationHintsPath.empty())
    return "it writes files besides the object";
  if (!O.CodeCompletionAt.FileName.empty() || O.UseClangIRPipeline ||
      !O.OverrideRecordLayoutsFile.empty())
    return "it is not a plain compile";
  return nullptr;
}

static const char *refuseCodegen(const CodeGenOptions &O) {
  if (!O.PassPlugins.empty())
    return "a plugin can't be unloaded";
  if (O.TimePasses || O.DebugPassManager || !O.DebugPass.empty())
    return "it measures the whole process";
  // clang parses this one like a command line of LLVM's.
  if (!O.LimitFloatPrecision.empty())
    return "options of LLVM hold for the whole process";
  if (O.DisableIntegratedAS)
    return "it uses another assembler";
  if (!O.SplitDwarfFile.empty() || !O.SplitDwarfOutput.empty() ||
      !O.OptRecordFile.empty() || !O.ThinLinkBitcodeFile.empty() ||
      !O.StackUsageOutput.empty() || !O.SaveTempsFilePrefix.empty() ||
      !O.CoverageNotesFile.empty() || !O.CoverageDataFile.empty() ||
      !O.DIBugsReportFilePath.empty() || !O.AsSecureLogFile.empty())
    return "it writes files besides the object";
  if (!O.LinkBitcodeFiles.empty() || !O.ThinLTOIndexFile.empty() ||
      !O.OffloadObjects.empty() ||
      O.getEmbedBitcode() != CodeGenOptions::Embed_Off)
    return "it takes or embeds other objects";
  // Read past the file system that keeps the record.
  if (!O.SampleProfileFile.empty() || !O.ProfileInstrumentUsePath.empty() ||
      !O.MemoryProfileUsePath.empty() || !O.ProfileRemappingFile.empty() ||
      !O.SanitizeCoverageAllowlistFiles.empty() ||
      !O.SanitizeCoverageIgnorelistFiles.empty() ||
      !O.SanitizeMetadataIgnorelistFiles.empty() ||
      !O.MSSecureHotPatchFunctionsFile.empty() ||
      StringRef(O.BBSections).starts_with("list="))
    return "it reads files that are not recorded";
  return nullptr;
}

static const char *refuseOther(const CompilerInvocation &I) {
  const DependencyOutputOptions &D = I.getDependencyOutputOpts();
  if ((D.OutputFile != "-" && !D.OutputFile.empty()) ||
      !D.HeaderIncludeOutputFile.empty() || D.ShowHeaderIncludes ||
      !D.DOTOutputFile.empty() || !D.ModuleDependencyOutputDir.empty() ||
      D.AddMissingHeaderDeps ||
      D.ShowIncludesDest != ShowIncludesDestination::None)
    return "it writes files besides the object";
  const DiagnosticOptions &G = I.getDiagnosticOpts();
  if (!G.DiagnosticLogFile.empty() || !G.DiagnosticSerializationFile.empty() ||
      G.VerifyDiagnostics || G.getFormat() != TextDiagnosticFormat::Clang)
    return "its diagnostics are to have another form";
  const HeaderSearchOptions &H = I.getHeaderSearchOpts();
  if (H.ImplicitModuleMaps || !H.ModuleCachePath.empty() ||
      !H.PrebuiltModuleFiles.empty() || !H.PrebuiltModulePaths.empty())
    return "it uses modules";
  const PreprocessorOptions &P = I.getPreprocessorOpts();
  if (!H.VFSOverlayFiles.empty() ||
      !G.DiagnosticSuppressionMappingsFile.empty() ||
      !I.getLangOpts().NoSanitizeFiles.empty() ||
      !I.getLangOpts().XRayAlwaysInstrumentFiles.empty() ||
      !I.getLangOpts().XRayNeverInstrumentFiles.empty() ||
      !I.getLangOpts().XRayAttrListFiles.empty() ||
      !I.getLangOpts().ProfileListFiles.empty() ||
      !I.getLangOpts().RandstructSeed.empty())
    return "it reads files that are not recorded";
  if (!I.getFileSystemOpts().WorkingDir.empty())
    return "its paths start at another folder";
  if (!P.ImplicitPCHInclude.empty() || !P.ChainedIncludes.empty())
    return "it reads a precompiled header";
  if (Triple(I.getTargetOpts().Triple) !=
      Triple(Triple::normalize(sys::getDefaultTargetTriple())))
    return "its target is not this machine";
  return nullptr;
}

std::string whyUnsupported(const CompilerInvocation &I) {
  for (const char *Reason : {refuseFrontend(I.getFrontendOpts()),
                             refuseCodegen(I.getCodeGenOpts()), refuseOther(I)})
    if (Reason)
      return Reason;
  return "";
}

static bool warnsOfUnusedMacros(const CompilerInvocation &I) {
  DiagnosticOptions Options = I.getDiagnosticOpts();
  IgnoringDiagConsumer None;
  DiagnosticsEngine Diags(DiagnosticIDs::create(), Options, &None,
                          /*ShouldOwnClient=*/false);
  ProcessWarningOptions(Diags, Options, *vfs::getRealFileSystem(),
                        /*ReportDiags=*/false);
  return !Diags.isIgnored(diag::pp_macro_not_used, SourceLocation());
}

bool mayKeepPreamble(const CompilerInvocation &I) {
  const FrontendInputFile &Input = I.getFrontendOpts().Inputs[0];
  InputKind Kind = Input.getKind();
  const LangOptions &L = I.getLangOpts();
  const CodeGenOptions &C = I.getCodeGenOpts();
  bool IsSource = Kind.getFormat() == InputKind::Source &&
                  !Kind.isPreprocessed() && !Kind.isHeader() &&
                  (Kind.getLanguage() == Language::C ||
                   Kind.getLanguage() == Language::CXX);
  return IsSource && Input.getFile() == "-" &&
         C.getDebugInfo() == llvm::codegenoptions::NoDebugInfo &&
         !C.hasProfileInstr() && !C.CoverageMapping && L.Sanitize.empty() &&
         !L.OpenMP && !L.XRayInstrument && !warnsOfUnusedMacros(I);
}

void prepareInvocation(CompilerInvocation &I) {
  I.getFrontendOpts().DisableFree = false;
  I.getCodeGenOpts().DisableFree = false;
  I.getDependencyOutputOpts() = DependencyOutputOptions();
}

} // namespace fromsource
