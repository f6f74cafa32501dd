//===- compile.cpp - One request ------------------------------------------===//

#include "compile.h"
#include "channel.h"
#include "frontend.h"
#include "guard.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include <chrono>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace llvm;

namespace fromsource {

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

static void merge(const FileRecord &From, FileRecord &To) {
  To.Read.insert(From.Read.begin(), From.Read.end());
  To.Absent.insert(From.Absent.begin(), From.Absent.end());
}

static void report(const FileRecord &Record, Answer &To) {
  for (const auto &[Path, File] : Record.Read)
    To.Read.push_back({Path, File.Size, toHex(File.Digest, true)});
  To.Absent.assign(Record.Absent.begin(), Record.Absent.end());
}

/// The driver takes `x.h.pch` or `x.h.gch` in place of `-include x.h`.
static void reportPrecompiled(const FileRecord &Probed, Answer &To) {
  for (const std::string &Path : Probed.Absent)
    if (StringRef(Path).ends_with(".pch") || StringRef(Path).ends_with(".gch"))
      To.Absent.push_back(Path);
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

void Compiler::serve(const CompileMessage &Message) {
  auto Start = std::chrono::steady_clock::now();
  Answer Result;
  {
    RequestGuard Guard(Message.Id, Message.MaxMemoryBytes);
    run(Message, Result);
  }
  measure(Result);
  Result.Times.Total = std::chrono::duration<double, std::milli>(
                           std::chrono::steady_clock::now() - Start)
                           .count();
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
  for (OutputKind Kind : Message.Outputs) {
    // Each output is a compile of its own, so that it is exactly what clang
    // makes with the flag for it; the first one says it all.
    std::string Text;
    Bytes Made;
    bool Succeeded = compileOne(*What, Message, Kind, Disk, Result, Text, Made);
    if (Kind == Message.Outputs.front())
      Result.Stderr += Text;
    if (!Succeeded) {
      Result.Outputs.clear();
      break;
    }
    Result.Outputs.emplace_back(Kind, std::move(Made));
  }
  if (Result.Outputs.size() == Message.Outputs.size())
    Result.Status = Status::Ok;
  Disk->readPresent();
  report(Disk->Record, Result);
  reportPrecompiled(What->Probed, Result);
}

bool Compiler::compileOne(const Job &What, const CompileMessage &Message,
                          OutputKind Kind,
                          IntrusiveRefCntPtr<RecordingFileSystem> Disk,
                          Answer &Result, std::string &Text, Bytes &Made) {
  StringRef Source = Message.Stdin.value_or("");
  auto Layered = [&](IntrusiveRefCntPtr<vfs::FileSystem> Below) {
    return layered(std::move(Below), Message);
  };
  const Preamble *Prefix = Preambles.get(
      What, Message, Layered, [this](StringRef T) { To.setStdin(T); },
      Result.Preamble);
  if (Prefix) {
    To.setStdin(Source);
    SourceResult Quick =
        compileSource(What, Kind, Layered(Disk), Prefix, Source, Result.Times);
    // The little that was read besides says the same when it is read again.
    merge(Prefix->Record, Disk->Record);
    if (Quick.Succeeded && !Quick.IsDoubtful) {
      Text = std::move(Quick.Text);
      Made = std::move(Quick.Output);
      return true;
    }
    if (Quick.IsPreambleBad)
      Preambles.drop(Prefix);
    Result.Preamble = PreambleUse::None;
    Disk->Record = FileRecord();
  }
  To.setStdin(Source);
  SourceResult Plain =
      compileSource(What, Kind, Layered(Disk), nullptr, Source, Result.Times);
  Text = std::move(Plain.Text);
  Made = std::move(Plain.Output);
  return Plain.Succeeded;
}

} // namespace fromsource
