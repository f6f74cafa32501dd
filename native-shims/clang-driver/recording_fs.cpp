//===- recording_fs.cpp - What a compile looked at ------------------------===//

#include "recording_fs.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <sys/stat.h>
#include <unistd.h>

using namespace llvm;

namespace fromsource {

namespace {
/// Notes the content when clang takes it.
class RecordedFile : public vfs::File {
public:
  RecordedFile(std::unique_ptr<vfs::File> Real, std::string Path,
               RecordingFileSystem &FS)
      : Real(std::move(Real)), Path(std::move(Path)), FS(&FS) {}

  ErrorOr<vfs::Status> status() override { return Real->status(); }
  ErrorOr<std::string> getName() override { return Real->getName(); }
  std::error_code close() override { return Real->close(); }
  ErrorOr<std::unique_ptr<MemoryBuffer>> getBuffer(const Twine &Name,
                                                   int64_t FileSize,
                                                   bool RequiresNullTerminator,
                                                   bool IsVolatile) override {
    auto Buffer =
        Real->getBuffer(Name, FileSize, RequiresNullTerminator, IsVolatile);
    ErrorOr<vfs::Status> Found = Real->status();
    if (Buffer && Found)
      FS->noteRead(Path, *Found, (*Buffer)->getBuffer());
    return Buffer;
  }

private:
  std::unique_ptr<vfs::File> Real;
  const std::string Path;
  IntrusiveRefCntPtr<RecordingFileSystem> FS;
};
} // namespace

/// In nanoseconds; 0 when it is gone.
static int64_t timeOfChange(const std::string &Folder) {
  struct stat Found;
  if (::stat(Folder.c_str(), &Found) != 0)
    return 0;
  return int64_t(Found.st_mtim.tv_sec) * 1000000000 + Found.st_mtim.tv_nsec;
}

bool isUnchanged(const FileRecord &Record) {
  for (const auto &[Path, Entries] : Record.Listed)
    if (timeOfChange(Path) != Entries.Changed)
      return false;
  struct stat Found;
  for (const std::string &Path : Record.Present)
    if (::stat(Path.c_str(), &Found) != 0 || S_ISDIR(Found.st_mode))
      return false;
  for (const std::string &Path : Record.Folders)
    if (::stat(Path.c_str(), &Found) != 0 || !S_ISDIR(Found.st_mode))
      return false;
  for (const std::string &Path : Record.Absent)
    if (access(Path.c_str(), F_OK) == 0)
      return false;
  return true;
}

void FileRecord::list(const std::string &Folder) {
  auto [At, IsNew] = Listed.try_emplace(Folder);
  if (!IsNew)
    return;
  At->second.Changed = timeOfChange(Folder);
  std::error_code EC;
  std::set<std::string> Names;
  for (sys::fs::directory_iterator Entry(Folder, EC, /*follow_symlinks=*/false),
       End;
       !EC && Entry != End; Entry.increment(EC))
    Names.insert(sys::path::filename(Entry->path()).str());
  if (EC)
    return;
  std::string Text;
  for (const std::string &Name : Names)
    (Text += Name) += '\0';
  At->second.Digest = toHex(digestOf(Text), true);
}

void FileRecord::add(const std::string &Path, const ReadFile &File) {
  auto [Found, IsNew] = Read.try_emplace(Path, File);
  if (IsNew || Found->second.Digest == File.Digest)
    return;
  // It was written to in between: no content of it gives this result.
  Volatile.insert(Path);
  Found->second = File;
}

void FileRecord::merge(const FileRecord &Other) {
  for (const auto &[Path, File] : Other.Read)
    add(Path, File);
  Absent.insert(Other.Absent.begin(), Other.Absent.end());
  Folders.insert(Other.Folders.begin(), Other.Folders.end());
  Listed.insert(Other.Listed.begin(), Other.Listed.end());
  Volatile.insert(Other.Volatile.begin(), Other.Volatile.end());
}

RecordingFileSystem::RecordingFileSystem(StringRef Folder, DigestMemo &Memo)
    : ProxyFileSystem(vfs::getRealFileSystem()), Folder(Folder), Memo(Memo) {}

ErrorOr<vfs::Status> RecordingFileSystem::status(const Twine &Path) {
  ErrorOr<vfs::Status> Found = getUnderlyingFS().status(Path);
  note(Path, Found);
  return Found;
}

bool RecordingFileSystem::exists(const Twine &Path) {
  return bool(status(Path));
}

ErrorOr<std::unique_ptr<vfs::File>>
RecordingFileSystem::openFileForRead(const Twine &Path) {
  ErrorOr<std::unique_ptr<vfs::File>> Opened =
      getUnderlyingFS().openFileForRead(Path);
  if (!Opened) {
    note(Path, Opened.getError());
    return Opened;
  }
  note(Path, (*Opened)->status());
  return std::make_unique<RecordedFile>(std::move(*Opened), absolute(Path),
                                        *this);
}

vfs::directory_iterator RecordingFileSystem::dir_begin(const Twine &Dir,
                                                       std::error_code &EC) {
  // Before clang does: of what comes in between, the next look will tell.
  std::string Path = absolute(Dir);
  if (sys::fs::exists(Path))
    Record.list(Path);
  vfs::directory_iterator Entries = getUnderlyingFS().dir_begin(Dir, EC);
  if (EC == std::errc::no_such_file_or_directory)
    Record.Absent.insert(Path);
  return Entries;
}

std::string RecordingFileSystem::absolute(const Twine &Path) const {
  SmallString<256> Storage;
  StringRef Text = Path.toStringRef(Storage);
  if (Text.starts_with("/"))
    return Text.str();
  while (Text.consume_front("./"))
    Text = Text.ltrim('/');
  return (Folder == "/" ? "/" + Text : Folder + "/" + Text).str();
}

void RecordingFileSystem::note(const Twine &Path,
                               const ErrorOr<vfs::Status> &Found) {
  if (!Found)
    Record.Absent.insert(absolute(Path));
  else if (Found->isDirectory())
    Record.Folders.insert(absolute(Path));
  else
    Record.Present.insert(absolute(Path));
}

/// Whether a file holds what it holds until it is written to. The system makes
/// up the others when they are read: devices, pipes, what /proc tells.
static bool isStored(StringRef Path, const vfs::Status &File,
                     StringRef Content) {
  // As in `-include /dev/null`.
  if (Path == "/dev/null")
    return true;
  if (Path.starts_with("/proc/") || Path.starts_with("/sys/") ||
      (Path.starts_with("/dev/") && !Path.starts_with("/dev/shm/")))
    return false;
  return File.isRegularFile() && File.getSize() == Content.size();
}

void RecordingFileSystem::noteRead(const std::string &Path,
                                   const vfs::Status &File, StringRef Content) {
  ReadFile Now;
  Now.Size = Content.size();
  Now.Digest =
      Memo.get(Path.c_str(), File.getUniqueID().getFile(), Content, Now.Stamp);
  if (!isStored(Path, File, Content))
    Record.Volatile.insert(Path);
  Record.add(Path, Now);
}

void RecordingFileSystem::readPresent() {
  std::set<std::string> Present = Record.Present;
  for (const std::string &Path : Present) {
    if (Record.Read.count(Path))
      continue;
    // Devices and pipes have no content to compare, and reading may not end.
    if (!FileStamp::of(Path.c_str())) {
      Record.Volatile.insert(Path);
      continue;
    }
    if (auto Opened = openFileForRead(Path))
      (void)(*Opened)->getBuffer(Path, -1, false, false);
  }
}

} // namespace fromsource
