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
    RequestGuard Guard(Message.Id, Message.MaxMemoryBytes, Result.Stderr);
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
  auto FS = layered(Disk, Message);
  for (OutputKind Kind : Message.Outputs) {
    To.setStdin(Message.Stdin.value_or(""));
    // Each output is a compile of its own, so that it is exactly what clang
    // makes with the flag for it; the first one says it all.
    std::string Again;
    bool IsFirst = Kind == Message.Outputs.front();
    Bytes Made;
    if (!compileSource(*What, Kind, FS, IsFirst ? Result.Stderr : Again,
                       Result.Times, Made)) {
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

} // namespace fromsource
