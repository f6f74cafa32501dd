//===- compile.cpp - One request ------------------------------------------===//

#include "compile.h"
#include "assembler_files.h"
#include "channel.h"
#include "guard.h"
#include "clang/Frontend/CompilerInvocation.h"
#include "clang/Frontend/FrontendOptions.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include <chrono>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace llvm;

using Clock = std::chrono::steady_clock;

namespace fromsource {

static double since(Clock::time_point Start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - Start)
      .count();
}

/// The files of the request over those on disk. With absolute paths the object
/// equals that of files on disk, also with -g.
static IntrusiveRefCntPtr<vfs::FileSystem>
layered(IntrusiveRefCntPtr<vfs::FileSystem> Disk,
        const CompileMessage &Message) {
  if (Message.Files.empty())
    return Disk;
  auto Memory = makeIntrusiveRefCnt<vfs::InMemoryFileSystem>();
  Memory->setCurrentWorkingDirectory(Message.Folder);
  for (const auto &[Path, Text] : Message.Files)
    Memory->addFile(Path, 0, MemoryBuffer::getMemBufferCopy(Text, Path));
  auto Both = makeIntrusiveRefCnt<vfs::OverlayFileSystem>(Disk);
  Both->pushOverlay(Memory);
  return Both;
}

/// Whether a file was read below it, which would be gone.
static bool hasRead(const FileRecord &Record, StringRef Folder) {
  std::string Below = (Folder + "/").str();
  auto At = Record.Read.lower_bound(Below);
  return At != Record.Read.end() && StringRef(At->first).starts_with(Below);
}

static void report(const FileRecord &Record, Answer &To) {
  for (const auto &[Path, File] : Record.Read)
    To.Read.push_back({Path, File.Size, toHex(File.Digest, true)});
  // Some are asked for with a slash at the end, which means something here.
  for (StringRef Path : Record.Absent)
    To.Absent.push_back(Path.rtrim('/').str());
  for (StringRef Folder : Record.Folders)
    if (!Folder.ends_with("/") && !Folder.ends_with("/.") &&
        !hasRead(Record, Folder))
      To.Absent.push_back((Folder + "/").str());
  for (const auto &[Path, Entries] : Record.Listed)
    To.Listed.push_back({Path, Entries.Digest});
  To.Volatile.assign(Record.Volatile.begin(), Record.Volatile.end());
}

/// What would change the arguments if it were there: another gcc, whose headers
/// clang would take, folders of headers, `x.h.pch` and `x.h.gch`, which the
/// driver takes in place of `-include x.h`, and what a sanitizer leaves out.
static void reportProbed(const FileRecord &Probed, FileRecord &To) {
  To.Absent.insert(Probed.Absent.begin(), Probed.Absent.end());
  To.Listed.insert(Probed.Listed.begin(), Probed.Listed.end());
}

/// The other end can't look for a name that is no Unicode.
static void reportUnnameable(FileRecord &Record) {
  for (const auto &Each : Record.Read)
    if (!json::isUTF8(Each.first))
      Record.Volatile.insert(Each.first);
  for (const auto *Paths : {&Record.Absent, &Record.Folders})
    for (const std::string &Path : *Paths)
      if (!json::isUTF8(Path))
        Record.Volatile.insert(Path);
  for (const auto &Each : Record.Listed)
    if (!json::isUTF8(Each.first))
      Record.Volatile.insert(Each.first);
}

static void measure(Answer &To) {
  MemoryUse Use = MemoryUse::now();
  // What a large compile needed is given back; a small one's is kept warm.
  if (Use.Resident > (256u << 20)) {
    malloc_trim(32 << 20);
    Use = MemoryUse::now();
  }
  rusage Usage;
  getrusage(RUSAGE_SELF, &Usage);
  To.Resident = Use.Resident;
  To.Peak = uint64_t(Usage.ru_maxrss) * 1024;
}

/// IR in a file, which clang reads itself.
static std::unique_ptr<MemoryBuffer> inputFile(const Job &What,
                                               const CompileMessage &Message,
                                               vfs::FileSystem &Disk) {
  if (Message.Stdin)
    return nullptr;
  auto File = Disk.getBufferForFile(
      What.Invocation->getFrontendOpts().Inputs[0].getFile());
  return File ? std::move(*File) : nullptr;
}

void Compiler::serve(const CompileMessage &Message) {
  auto Start = Clock::now();
  Answer Result;
  {
    RequestGuard Guard(Message.Id, Message.MaxMemoryBytes);
    run(Message, Result);
  }
  measure(Result);
  Result.Times.Total = since(Start);
  To.send(encodeAnswer(Message.Id, Result));
}

void Compiler::run(const CompileMessage &Message, Answer &Result) {
  if (chdir(Message.Folder.c_str()) != 0) {
    Result.Status = Status::Unsupported;
    Result.Reason = "there is no folder " + Message.Folder;
    return;
  }
  std::shared_ptr<const Job> What = Jobs.get(Message.Command, Message.Folder);
  Result.Stderr = What->Text;
  if (!What->Unsupported.empty()) {
    Result.Status = Status::Unsupported;
    Result.Reason = What->Unsupported;
    return;
  }
  if (!What->Invocation)
    return;

  auto Disk = makeIntrusiveRefCnt<RecordingFileSystem>(Message.Folder, Memo);
  compileAll(*What, Message, Disk, Result);
  Disk->readPresent();
  reportProbed(What->Probed, Disk->Record);
  reportUnnameable(Disk->Record);
  report(Disk->Record, Result);
}

void Compiler::compileAll(const Job &What, const CompileMessage &Message,
                          IntrusiveRefCntPtr<RecordingFileSystem> Disk,
                          Answer &Result) {
  AssemblerFiles Assembler(layered(Disk, Message));
  IRCheck Checked;
  if (What.IsIR) {
    auto Start = Clock::now();
    std::unique_ptr<MemoryBuffer> File = inputFile(What, Message, *Disk);
    StringRef Input = File ? File->getBuffer() : Message.Stdin.value_or("");
    Checked = checkIR(What, Input, Message.Passes);
    Result.Stderr += Checked.Text;
    // Reading, and the caller's passes where there are any.
    (Message.Passes ? Result.Times.Optimise : Result.Times.Frontend) +=
        since(Start);
    if (!Checked.IsGood)
      return;
    if (Checked.Optimised && Message.Stdin == std::nullopt) {
      Result.Status = Status::Unsupported;
      Result.Reason = "passes take their input from stdin";
      return;
    }
  } else if (Message.Passes) {
    Result.Status = Status::Unsupported;
    Result.Reason = "passes are for IR";
    return;
  }

  for (OutputKind Kind : Message.Outputs) {
    // Each output is a compile of its own, so that it is exactly what clang
    // makes with the flag for it; the first one says it all.
    SourceResult Made = compileOne(What, Message, Kind, Checked, Disk, Result);
    if (Kind == Message.Outputs.front())
      Result.Stderr += Made.Text + Checked.Note;
    if (!Made.Succeeded)
      return Result.Outputs.clear();
    Result.Outputs.emplace_back(Kind, std::move(Made.Output));
  }
  Result.Status = Status::Ok;
}

SourceResult Compiler::compileOne(const Job &What,
                                  const CompileMessage &Message,
                                  OutputKind Kind, const IRCheck &Checked,
                                  IntrusiveRefCntPtr<RecordingFileSystem> Disk,
                                  Answer &Result) {
  StringRef Source = Message.Stdin.value_or("");
  if (Checked.Optimised)
    Source = StringRef(Checked.Optimised->data(), Checked.Optimised->size());
  auto Layered = [&](IntrusiveRefCntPtr<vfs::FileSystem> Below) {
    return layered(std::move(Below), Message);
  };
  auto Start = Clock::now();
  const Preamble *Prefix = Preambles.get(
      What, Message, Layered, [this](StringRef Text) { To.setStdin(Text); },
      Result.Preamble);
  Result.Times.Frontend += since(Start);
  if (Prefix) {
    FileRecord Before = Disk->Record;
    To.setStdin(Source);
    SourceResult Quick =
        compileSource(What, Kind, Layered(Disk), Prefix, Source, false,
                      Message.DeclaredBefore, Result.Times);
    // What is said of a snippet need not be what a plain compile says of it.
    if (!Quick.IsDoubtful || (Message.DeclaredBefore && !Quick.IsPreambleBad)) {
      Disk->Record.merge(Prefix->Record);
      Disk->Record.Volatile.insert(Quick.Volatile.begin(),
                                   Quick.Volatile.end());
      return Quick;
    }
    if (Quick.IsPreambleBad)
      Preambles.drop(Prefix);
    Result.Preamble = PreambleUse::None;
    Disk->Record = std::move(Before);
  }
  To.setStdin(Source);
  SourceResult Plain = compileSource(What, Kind, Layered(Disk), nullptr, Source,
                                     Checked.Optimised.has_value(),
                                     Message.DeclaredBefore, Result.Times);
  Disk->Record.Volatile.insert(Plain.Volatile.begin(), Plain.Volatile.end());
  return Plain;
}

} // namespace fromsource
