//===- frontend.h - C and C++ in, an object or IR out -----------*- C++ -*-===//

#ifndef FROMSOURCE_FRONTEND_H
#define FROMSOURCE_FRONTEND_H

#include "job.h"
#include "memory_output.h"
#include "protocol.h"
#include "llvm/Support/VirtualFileSystem.h"

namespace fromsource {

/// Compiles as `clang -cc1` would. `Text` gets what that prints. `Times` are
/// added to. False when it failed, and then the output is not to be used.
bool compileSource(const Job &What, OutputKind Kind,
                   llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> FS,
                   std::string &Text, PhaseTimes &Times, Bytes &Output);

} // namespace fromsource

#endif // FROMSOURCE_FRONTEND_H
