//===- recording_fs.h - What a compile looked at ----------------*- C++ -*-===//

#ifndef FROMSOURCE_RECORDING_FS_H
#define FROMSOURCE_RECORDING_FS_H

#include "digest.h"
#include "llvm/Support/VirtualFileSystem.h"
#include <map>
#include <set>
#include <string>

namespace fromsource {

/// A file's content when it was read.
struct ReadFile {
  uint64_t Size = 0;
  fromsource::Digest Digest;
  /// Nothing when the file was too young to be sure.
  std::optional<FileStamp> Stamp;
};

/// The entries of a folder when they were listed.
struct Listing {
  /// When they had last changed.
  int64_t Changed = 0;
  /// SHA-256 of their names, in hexadecimal: sorted, with a NUL behind each.
  /// Empty when they could not be listed.
  std::string Digest;
};

/// Everything on disk that decided the result; paths are absolute.
struct FileRecord {
  std::map<std::string, ReadFile> Read;
  /// Looked for and not there. Of an absent folder, only the folder is.
  std::set<std::string> Absent;
  /// Looked for and there, but perhaps not read, as `__has_include` does.
  std::set<std::string> Present;
  /// Looked for and there, as a folder: a file in its place may be taken.
  std::set<std::string> Folders;
  /// Why doing the same again may give something else: macros of time, and
  /// files that need not hold the same twice.
  std::set<std::string> Volatile;
  /// Folders whose entries were listed.
  std::map<std::string, Listing> Listed;

  void add(const std::string &Path, const ReadFile &File);
  void list(const std::string &Folder);
  /// Adds what a compile has made use of.
  void merge(const FileRecord &Other);
};

/// Whether what was found or not is so still, but for the content of files.
bool isUnchanged(const FileRecord &Record);

/// The real file system, with a record of what was asked of it. Compared with
/// strace, nothing that `#include`, `__has_include`, `#embed` and the search
/// for folders do escapes it.
class RecordingFileSystem : public llvm::vfs::ProxyFileSystem {
public:
  /// `Folder` is the process's working folder.
  RecordingFileSystem(llvm::StringRef Folder, DigestMemo &Memo);

  llvm::ErrorOr<llvm::vfs::Status> status(const llvm::Twine &Path) override;
  bool exists(const llvm::Twine &Path) override;
  llvm::ErrorOr<std::unique_ptr<llvm::vfs::File>>
  openFileForRead(const llvm::Twine &Path) override;
  llvm::vfs::directory_iterator dir_begin(const llvm::Twine &Dir,
                                          std::error_code &EC) override;

  /// Reads what was found but not read, so that a change of it is seen.
  void readPresent();

  FileRecord Record;
  void noteRead(const std::string &Path, const llvm::vfs::Status &File,
                llvm::StringRef Content);

private:
  std::string absolute(const llvm::Twine &Path) const;
  void note(const llvm::Twine &Path,
            const llvm::ErrorOr<llvm::vfs::Status> &Found);

  const std::string Folder;
  DigestMemo &Memo;
};

} // namespace fromsource

#endif // FROMSOURCE_RECORDING_FS_H
