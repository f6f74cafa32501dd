//===- preamble.cpp - Headers parsed once ---------------------------------===//

#include "preamble.h"
#include "prefix_watch.h"
#include "clang/Basic/DiagnosticOptions.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Frontend/CompilerInvocation.h"
#include "clang/Lex/HeaderSearchOptions.h"
#include "clang/Lex/PPCallbacks.h"
#include "clang/Lex/PreprocessorOptions.h"
#include "clang/Serialization/PCHContainerOperations.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace clang;
using namespace llvm;

namespace fromsource {

/// A larger source takes its time by itself.
static constexpr size_t MaxSource = 64 << 10;
static constexpr size_t MaxPreambles = 8;
static constexpr size_t MaxBytes = 64 << 20;

/// The prefix, when there is something to gain from it.
static std::optional<PreambleBounds> boundsOf(const Job &What,
                                              StringRef Source) {
  if (Source.size() > MaxSource || !What.MayKeepPreamble)
    return std::nullopt;
  // The lexer needs a NUL at the end, which the frame does not have.
  auto Terminated = MemoryBuffer::getMemBufferCopy(Source, "-");
  PreambleBounds Bounds =
      ComputePreambleBounds(What.Invocation->getLangOpts(), *Terminated, 0);
  StringRef Prefix = Source.take_front(Bounds.Size);
  // The directives of modules and pragmas end what they are in differently;
  // such prefixes are rare.
  if (!Prefix.contains("include") || Prefix.contains("pragma") ||
      Prefix.contains("_Pragma") || Prefix.contains("import") ||
      Source.contains("module"))
    return std::nullopt;
  return Bounds;
}

/// Names of the main file decide nothing of a prefix: it holds directives only,
/// and `__FILE__` is evaluated where it is used. Without them, libraries that
/// begin alike share what is parsed.
static std::vector<StringRef> withoutNames(ArrayRef<std::string> Arguments) {
  std::vector<StringRef> Rest;
  for (size_t I = 0; I < Arguments.size(); ++I) {
    StringRef Word = Arguments[I];
    if (Word == "-main-file-name")
      ++I;
    else if (!Word.contains("-prefix-map=<stdin>="))
      Rest.push_back(Word);
  }
  return Rest;
}

static std::string keyOf(const Job &What, const CompileMessage &Message,
                         StringRef Prefix, bool EndsAtStartOfLine) {
  std::string Key;
  auto Add = [&Key](StringRef Part) {
    Key += utostr(Part.size());
    (Key += ':') += Part;
  };
  Add(Message.Folder);
  Add(What.Program);
  Add(join(withoutNames(What.Arguments), StringRef("\0", 1)));
  Add(EndsAtStartOfLine ? "1" : "0");
  Add(Message.DeclaredBefore ? "1" : "0");
  Add(Prefix);
  for (const auto &[Path, Text] : Message.Files) {
    Add(Path);
    Add(toHex(digestOf(Text)));
  }
  return Key;
}

static bool isUpToDate(FileRecord &Record, DigestMemo &Memo) {
  // Nothing was kept, and nothing would be; some of it may have no end.
  if (!Record.Volatile.empty())
    return true;
  for (auto &[Path, File] : Record.Read) {
    if (File.Stamp) {
      if (FileStamp::of(Path.c_str()) != File.Stamp)
        return false;
      continue;
    }
    // It was too young when it was read: an edit may not show in its stamp.
    auto Buffer = MemoryBuffer::getFile(Path, /*IsText=*/false,
                                        /*RequiresNullTerminator=*/false);
    std::optional<FileStamp> Stamp = FileStamp::of(Path.c_str());
    if (!Buffer || !Stamp ||
        Memo.get(Path.c_str(), Stamp->Inode, (*Buffer)->getBuffer(),
                 File.Stamp) != File.Digest)
      return false;
  }
  return isUnchanged(Record);
}

namespace {
/// Any word of clang's about the prefix would be missing the next time.
struct Listener : DiagnosticConsumer {
  bool HeardAnything = false;
  void HandleDiagnostic(DiagnosticsEngine::Level, const Diagnostic &) override {
    HeardAnything = true;
  }
};
} // namespace

namespace {
struct Watched : PreambleCallbacks {
  PrefixWatch Watch;
  CompilerInstance *Clang = nullptr;
  void BeforeExecute(CompilerInstance &CI) override { Clang = &CI; }
  void AfterExecute(CompilerInstance &CI) override {
    Watch.noteContents(CI.getSourceManager());
  }
  std::unique_ptr<PPCallbacks> createPPCallbacks() override {
    return Watch.callbacks(Clang->getSourceManager());
  }
};
} // namespace

static bool hasOnlySystemHeaders(const CompilerInvocation &Invocation,
                                 StringRef Prefix) {
  // A quoted or computed name may be anything's.
  for (StringRef Rest = Prefix; Rest.contains("include");) {
    Rest = Rest.substr(Rest.find("include") + strlen("include"));
    if (!Rest.ltrim(" \t").starts_with("<"))
      return false;
  }
  if (!Invocation.getPreprocessorOpts().Includes.empty())
    return false;
  for (const auto &Entry : Invocation.getHeaderSearchOpts().UserEntries)
    if (Entry.Group == frontend::Quoted || Entry.Group == frontend::Angled)
      return false;
  return true;
}

/// Parses the prefix, which is clang's stdin.
static std::optional<PrecompiledPreamble>
parse(const Job &What, StringRef Source, PreambleBounds Bounds, bool IsWhole,
      IntrusiveRefCntPtr<vfs::FileSystem> FS) {
  CompilerInvocation Invocation(*What.Invocation);
  // 84 instead of 150 ms for the second use of <algorithm>'s sort. A template
  // of the system's finds there what it finds at the end of the source; one of
  // the caller's may look for functions that come after the prefix, unless that
  // is all of a library.
  Invocation.getLangOpts().PCHInstantiateTemplates =
      IsWhole ||
      hasOnlySystemHeaders(Invocation, Source.take_front(Bounds.Size));
  DiagnosticOptions Options = Invocation.getDiagnosticOpts();
  Listener Heard;
  auto Diags = makeIntrusiveRefCnt<DiagnosticsEngine>(
      DiagnosticIDs::create(), Options, &Heard, /*ShouldOwnClient=*/false);
  Watched Callbacks;
  auto Buffer = MemoryBuffer::getMemBufferCopy(Source, "-");
  ErrorOr<PrecompiledPreamble> Built =
      PrecompiledPreamble::Build(Invocation, Buffer.get(), Bounds, Diags, FS,
                                 std::make_shared<PCHContainerOperations>(),
                                 /*StoreInMemory=*/true, "", Callbacks);
  if (!Built || Heard.HeardAnything || !Callbacks.Watch.isHarmless() ||
      Built->getSize() > MaxBytes)
    return std::nullopt;
  return std::move(*Built);
}

const Preamble *
PreambleCache::get(const Job &What, const CompileMessage &Message,
                   const FileSystemMaker &Layered,
                   const std::function<void(StringRef)> &SetStdin,
                   PreambleUse &Use) {
  Use = PreambleUse::None;
  if (!Message.Preamble || !Message.Stdin)
    return nullptr;
  StringRef Source = *Message.Stdin;
  std::optional<PreambleBounds> Bounds = boundsOf(What, Source);
  if (!Bounds)
    return nullptr;
  StringRef Prefix = Source.take_front(Bounds->Size);
  std::string Key =
      keyOf(What, Message, Prefix, Bounds->PreambleEndsAtStartOfLine);

  auto Found = find_if(Recent, [&](Preamble &P) { return P.Key == Key; });
  if (Found != Recent.end() && isUpToDate(Found->Record, Memo)) {
    Recent.splice(Recent.begin(), Recent, Found);
    Use = Found->Parsed ? PreambleUse::Reused : PreambleUse::None;
    return Found->Parsed ? &*Found : nullptr;
  }
  if (Found != Recent.end())
    Recent.erase(Found);

  auto Disk = makeIntrusiveRefCnt<RecordingFileSystem>(Message.Folder, Memo);
  SetStdin(Prefix);
  Preamble Made;
  Made.Key = std::move(Key);
  Made.Parsed = parse(What, Source, *Bounds, Message.DeclaredBefore.has_value(),
                      Layered(Disk));
  Disk->readPresent();
  Made.Record = std::move(Disk->Record);
  if (!Made.Record.Volatile.empty())
    Made.Parsed = std::nullopt;
  Recent.push_front(std::move(Made));
  shrink();
  Use = Recent.front().Parsed ? PreambleUse::Built : PreambleUse::None;
  return Recent.front().Parsed ? &Recent.front() : nullptr;
}

void PreambleCache::drop(const Preamble *Bad) {
  Recent.remove_if([Bad](const Preamble &P) { return &P == Bad; });
}

void PreambleCache::shrink() {
  size_t Kept = 0, Bytes = 0;
  for (auto At = Recent.begin(); At != Recent.end();) {
    // Prefixes that can't be kept cost only their record.
    Kept += At->Parsed ? 1 : 0;
    Bytes += At->Parsed ? At->Parsed->getSize() : 0;
    bool IsOver = Kept > MaxPreambles || Bytes > MaxBytes;
    At = IsOver || std::distance(Recent.begin(), At) >= 64 ? Recent.erase(At)
                                                           : std::next(At);
  }
}

} // namespace fromsource
