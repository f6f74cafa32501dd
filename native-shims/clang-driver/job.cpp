//===- job.cpp - From a command to clang's own options --------------------===//

#include "job.h"
#include "supported.h"
#include "clang/Basic/DiagnosticOptions.h"
#include "clang/Basic/Version.h"
#include "clang/Driver/Compilation.h"
#include "clang/Driver/Driver.h"
#include "clang/Driver/Tool.h"
#include "clang/Driver/ToolChain.h"
#include "clang/Frontend/CompilerInvocation.h"
#include "clang/Frontend/FrontendOptions.h"
#include "clang/Frontend/TextDiagnosticBuffer.h"
#include "clang/Frontend/TextDiagnosticPrinter.h"
#include "clang/Options/Options.h"
#include "llvm/Option/ArgList.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/TargetParser/Host.h"

using namespace clang;
using namespace llvm;
namespace cd = clang::driver;

namespace fromsource {

Job::Job() = default;
Job::~Job() = default;

/// Where the compiler that the command names is installed: its headers are
/// used, so that the result is that compiler's.
static std::string realProgram(const std::string &Name) {
  std::string Path = Name;
  if (Name.find('/') == std::string::npos)
    if (ErrorOr<std::string> Found = sys::findProgramByName(Name))
      Path = *Found;
  SmallString<256> Real;
  return sys::fs::real_path(Path, Real) ? Path : std::string(Real);
}

/// Options that the driver acts on itself, or that are read before it is.
static std::string refuseWord(StringRef Word) {
  if (Word.starts_with("@") || Word.starts_with("--config"))
    return "it reads arguments from a file: " + Word.str();
  if (Word == "-v" || Word == "-###" || Word == "-no-canonical-prefixes" ||
      Word == "--verbose")
    return "only a process of its own does " + Word.str();
  // Its content is taken into the options, an empty one without a trace.
  if (Word.starts_with("-frandomize-layout-seed-file"))
    return "it reads files that are not recorded";
  return "";
}

/// Runs the driver up to the command that it would start.
static void buildJob(Job &To, const std::vector<std::string> &Command,
                     IntrusiveRefCntPtr<vfs::FileSystem> FS) {
  To.Program = realProgram(Command.front());
  SmallString<256> Headers(sys::path::parent_path(To.Program));
  sys::path::append(Headers, "..", "lib", "clang", CLANG_VERSION_MAJOR_STRING);
  // Debian has a link to these headers in /usr/lib, so that they seem to be
  // gcc's too.
  if (!sys::path::filename(To.Program).contains("clang") ||
      !FS->exists(Headers + "/include")) {
    To.Unsupported = To.Program + " is not clang " CLANG_VERSION_MAJOR_STRING;
    return;
  }
  SmallVector<const char *, 64> Args;
  for (const std::string &Word : Command) {
    To.Unsupported = Args.empty() ? "" : refuseWord(Word);
    if (!To.Unsupported.empty())
      return;
    Args.push_back(Word.c_str());
  }

  unsigned MissingIndex, MissingCount;
  opt::InputArgList Parsed = getDriverOptTable().ParseArgs(
      ArrayRef(Args).slice(1), MissingIndex, MissingCount);
  DiagnosticOptions Options;
  // Not in colour, even where our stderr is a terminal.
  ParseDiagnosticArgs(Options, Parsed, nullptr, /*DefaultDiagColor=*/false);
  Options.DiagnosticSuppressionMappingsFile.clear();
  raw_string_ostream Text(To.Text);
  auto *Printer = new TextDiagnosticPrinter(Text, Options);
  Printer->setPrefix(sys::path::stem(Command.front()).str());
  DiagnosticsEngine Diags(DiagnosticIDs::create(), Options, Printer);
  ProcessWarningOptions(Diags, Options, *FS, /*ReportDiags=*/false);

  cd::Driver Driver(To.Program, sys::getDefaultTargetTriple(), Diags,
                    "clang LLVM compiler", FS);
  cd::ParsedClangName Name =
      cd::ToolChain::getTargetAndModeFromProgramName(Command.front());
  Driver.setTargetAndMode(Name);
  if (Name.DriverMode)
    Args.insert(Args.begin() + 1, Name.DriverMode);
  if (Name.TargetIsValid) {
    const char *Target[] = {"-target", Name.TargetPrefix.c_str()};
    Args.insert(Args.begin() + 1, std::begin(Target), std::end(Target));
  }
  std::unique_ptr<cd::Compilation> Made(Driver.BuildCompilation(Args));
  // An unknown flag does not make it a compilation with an error.
  if (!Made || Made->containsError() || Diags.hasErrorOccurred()) {
    To.Failed = true;
    return;
  }
  const cd::JobList &Jobs = Made->getJobs();
  if (Jobs.size() != 1 ||
      StringRef(Jobs.begin()->getCreator().getName()) != "clang") {
    To.Unsupported = "it is not one step of clang's own compiler";
    return;
  }
  ArrayRef<const char *> CC1 = Jobs.begin()->getArguments();
  if (CC1.empty() || StringRef(CC1.front()) != "-cc1") {
    To.Unsupported = "it is not one step of clang's own compiler";
    return;
  }
  To.Arguments.assign(CC1.begin() + 1, CC1.end());
}

/// Reads the arguments as `clang -cc1` does.
static void readArguments(Job &To) {
  std::vector<const char *> Args;
  for (const std::string &Word : To.Arguments)
    Args.push_back(Word.c_str());
  DiagnosticOptions Options;
  auto Early = std::make_shared<TextDiagnosticBuffer>();
  DiagnosticsEngine Diags(DiagnosticIDs::create(), Options, Early.get(),
                          /*ShouldOwnClient=*/false);
  auto Invocation = std::make_shared<CompilerInvocation>();
  To.Failed = !CompilerInvocation::CreateFromArgs(*Invocation, Args, Diags,
                                                  To.Program.c_str());
  To.Unsupported = To.Failed ? "" : whyUnsupported(*Invocation);
  To.MayKeepPreamble = To.Unsupported.empty() && mayKeepPreamble(*Invocation);
  prepareInvocation(*Invocation);
  To.IsIR =
      Invocation->getFrontendOpts().DashX.getLanguage() == Language::LLVM_IR;
  To.Invocation = std::move(Invocation);
  To.Early = std::move(Early);
}

/// A folder is a gcc of which clang takes the headers once it has this file.
static void listInstallations(FileRecord &Probed) {
  std::set<std::string> Paths = Probed.Present;
  Paths.insert(Probed.Absent.begin(), Probed.Absent.end());
  for (StringRef Path : Paths)
    if (sys::path::filename(Path) == "crtbegin.o") {
      std::string Folder = sys::path::parent_path(Path).str();
      if (sys::fs::is_directory(Folder))
        Probed.list(Folder);
    }
}

std::shared_ptr<const Job>
JobCache::get(const std::vector<std::string> &Command,
              const std::string &Folder) {
  std::string Key = Folder;
  for (const std::string &Word : Command)
    (Key += '\0') += Word;
  auto Found = ByKey.find(Key);
  if (Found != ByKey.end() &&
      FileStamp::of(Command.front().c_str()) ==
          Found->second->second->ProgramStamp &&
      isUnchanged(Found->second->second->Probed)) {
    Recent.splice(Recent.begin(), Recent, Found->second);
    return Recent.front().second;
  }
  auto FS = makeIntrusiveRefCnt<RecordingFileSystem>(Folder, Memo);
  auto Made = std::make_shared<Job>();
  Made->ProgramStamp = FileStamp::of(Command.front().c_str());
  buildJob(*Made, Command, FS);
  if (Made->Unsupported.empty() && !Made->Failed)
    readArguments(*Made);
  Made->Probed = std::move(FS->Record);
  listInstallations(Made->Probed);

  if (Found != ByKey.end()) {
    Recent.erase(Found->second);
    ByKey.erase(Found);
  }
  // It may be a file that an option names that is wrong, and be put right.
  if (Made->Failed)
    return Made;
  Recent.emplace_front(Key, Made);
  ByKey[Key] = Recent.begin();
  if (Recent.size() > 64) {
    ByKey.erase(Recent.back().first);
    Recent.pop_back();
  }
  return Made;
}

} // namespace fromsource
