//===- digest.cpp - What a file is and holds ------------------------------===//

#include "digest.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"
#include <ctime>
#include <sys/stat.h>

using namespace llvm;

namespace fromsource {

static int64_t nanoseconds(const timespec &Time) {
  return int64_t(Time.tv_sec) * 1000000000 + Time.tv_nsec;
}

Digest digestOf(StringRef Bytes) {
  return SHA256::hash(arrayRefFromStringRef(Bytes));
}

std::optional<FileStamp> FileStamp::of(const char *Path) {
  struct stat Found;
  if (::stat(Path, &Found) != 0 || !S_ISREG(Found.st_mode))
    return std::nullopt;
  return FileStamp{Found.st_dev, Found.st_ino, uint64_t(Found.st_size),
                   nanoseconds(Found.st_mtim), nanoseconds(Found.st_ctim)};
}

bool FileStamp::isSettled() const {
  timespec Now;
  clock_gettime(CLOCK_REALTIME, &Now);
  return std::max(Modified, Changed) < nanoseconds(Now) - 2000000000;
}

Digest DigestMemo::get(const char *Path, uint64_t Inode, StringRef Content,
                       std::optional<FileStamp> &Stamp) {
  // The file may have been replaced or written to since it was opened; one
  // that was written to is not settled.
  Stamp = FileStamp::of(Path);
  if (!Stamp || Stamp->Inode != Inode || Stamp->Size != Content.size() ||
      !Stamp->isSettled()) {
    Stamp.reset();
    return digestOf(Content);
  }
  auto Key = std::make_pair(Stamp->Device, Stamp->Inode);
  auto Found = Known.find(Key);
  if (Found != Known.end() && Found->second.first == *Stamp)
    return Found->second.second;
  // Enough for every header of a system, and a bound for a driver that lives
  // for weeks.
  if (Known.size() >= 16384)
    Known.clear();
  Digest Value = digestOf(Content);
  Known[Key] = {*Stamp, Value};
  return Value;
}

} // namespace fromsource
