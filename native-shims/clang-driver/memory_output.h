//===- memory_output.h - Where clang writes ---------------------*- C++ -*-===//

#ifndef FROMSOURCE_MEMORY_OUTPUT_H
#define FROMSOURCE_MEMORY_OUTPUT_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/VirtualOutputBackend.h"
#include <memory>

namespace fromsource {

using Bytes = llvm::SmallVector<char, 0>;

/// Takes the one output of a compile and refuses any other, so that nothing is
/// written to disk whatever clang is told.
class MemoryOutput : public llvm::vfs::OutputBackend {
public:
  explicit MemoryOutput(std::shared_ptr<Bytes> Kept) : Kept(std::move(Kept)) {}

protected:
  llvm::IntrusiveRefCntPtr<llvm::vfs::OutputBackend> cloneImpl() const override;
  llvm::Expected<std::unique_ptr<llvm::vfs::OutputFileImpl>>
  createFileImpl(llvm::StringRef Path,
                 std::optional<llvm::vfs::OutputConfig> Config) override;

private:
  std::shared_ptr<Bytes> Kept;
};

} // namespace fromsource

#endif // FROMSOURCE_MEMORY_OUTPUT_H
