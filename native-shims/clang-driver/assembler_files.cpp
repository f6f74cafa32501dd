//===- assembler_files.cpp - What assembly reads --------------------------===//

#include "assembler_files.h"
#include "llvm/MC/MCParser/MCAsmParser.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/SourceMgr.h"

using namespace llvm;

namespace llvm {
// Declared in a header of LLVM's that is not installed.
Target &getTheX86_64Target();
} // namespace llvm

namespace fromsource {

/// Compiles are on one thread.
static IntrusiveRefCntPtr<vfs::FileSystem> Current;
/// The target as it was registered.
static Target Registered;

/// Every parser of assembly has its target's part made before it reads
/// anything, and after it was given the real file system.
static MCTargetAsmParser *create(const MCSubtargetInfo &Subtarget,
                                 MCAsmParser &Parser,
                                 const MCInstrInfo &Instructions,
                                 const MCTargetOptions &Options) {
  if (Current)
    Parser.getSourceManager().setVirtualFileSystem(Current);
  return Registered.createMCAsmParser(Subtarget, Parser, Instructions, Options);
}

void AssemblerFiles::install() {
  Registered = getTheX86_64Target();
  TargetRegistry::RegisterMCAsmParser(getTheX86_64Target(), create);
}

AssemblerFiles::AssemblerFiles(IntrusiveRefCntPtr<vfs::FileSystem> Files) {
  Current = std::move(Files);
}

AssemblerFiles::~AssemblerFiles() { Current = nullptr; }

} // namespace fromsource
