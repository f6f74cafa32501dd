//===- digest.h - What a file is and holds ----------------------*- C++ -*-===//

#ifndef FROMSOURCE_DIGEST_H
#define FROMSOURCE_DIGEST_H

#include "llvm/ADT/StringRef.h"
#include <array>
#include <map>
#include <optional>

namespace fromsource {

using Digest = std::array<uint8_t, 32>;

/// SHA-256.
Digest digestOf(llvm::StringRef Bytes);

/// The file behind a path, and its version as far as the system tells.
struct FileStamp {
  uint64_t Device = 0, Inode = 0, Size = 0;
  int64_t Modified = 0, Changed = 0;

  /// Of a regular file; nothing for anything else.
  static std::optional<FileStamp> of(const char *Path);

  /// Whether any later write shows in the stamp. One in the same tick of the
  /// file system's clock does not: up to 10 ms on ext4, 2 s elsewhere.
  bool isSettled() const;

  bool operator==(const FileStamp &Other) const {
    return Device == Other.Device && Inode == Other.Inode &&
           Size == Other.Size && Modified == Other.Modified &&
           Changed == Other.Changed;
  }
  bool operator!=(const FileStamp &Other) const { return !(*this == Other); }
};

/// Digests of unchanged files: those of all C++ headers of a small source take
/// 5 ms, a `stat` of each 0.2 ms.
class DigestMemo {
public:
  /// The digest of `Content`, which was just read from the inode `Inode` at
  /// `Path`, and its stamp where that is certain.
  Digest get(const char *Path, uint64_t Inode, llvm::StringRef Content,
             std::optional<FileStamp> &Stamp);

private:
  std::map<std::pair<uint64_t, uint64_t>, std::pair<FileStamp, Digest>> Known;
};

} // namespace fromsource

#endif // FROMSOURCE_DIGEST_H
