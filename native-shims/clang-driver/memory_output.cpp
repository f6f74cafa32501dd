//===- memory_output.cpp - Where clang writes -----------------------------===//

#include "memory_output.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace fromsource {

namespace {
class KeptFile : public vfs::OutputFileImpl {
public:
  explicit KeptFile(std::shared_ptr<Bytes> Kept)
      : Kept(std::move(Kept)), OS(Buffer) {}

  Error keep() override {
    *Kept = std::move(Buffer);
    return Error::success();
  }
  Error discard() override { return Error::success(); }
  raw_pwrite_stream &getOS() override { return OS; }

private:
  std::shared_ptr<Bytes> Kept;
  Bytes Buffer;
  raw_svector_ostream OS;
};
} // namespace

IntrusiveRefCntPtr<vfs::OutputBackend> MemoryOutput::cloneImpl() const {
  return makeIntrusiveRefCnt<MemoryOutput>(Kept);
}

Expected<std::unique_ptr<vfs::OutputFileImpl>>
MemoryOutput::createFileImpl(StringRef Path, std::optional<vfs::OutputConfig>) {
  if (Path != "-")
    return createStringError(
        std::make_error_code(std::errc::operation_not_permitted),
        "the resident compiler writes no files");
  return std::make_unique<KeptFile>(Kept);
}

} // namespace fromsource
