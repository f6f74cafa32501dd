//===- assembler_files.h - What assembly reads ------------------*- C++ -*-===//

#ifndef FROMSOURCE_ASSEMBLER_FILES_H
#define FROMSOURCE_ASSEMBLER_FILES_H

#include "llvm/Support/VirtualFileSystem.h"

namespace fromsource {

/// While it lives, the files that assembly names (`.incbin`, `.include`) are
/// taken from a file system. LLVM has no option for that: inline assembly, of
/// functions and of modules, has the real one, past every record.
class AssemblerFiles {
public:
  explicit AssemblerFiles(
      llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> Files);
  ~AssemblerFiles();
  AssemblerFiles(const AssemblerFiles &) = delete;
  AssemblerFiles &operator=(const AssemblerFiles &) = delete;

  /// Once, when the target's assembler has been registered.
  static void install();
};

} // namespace fromsource

#endif // FROMSOURCE_ASSEMBLER_FILES_H
