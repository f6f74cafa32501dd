//===- object_scan.h - What JITLink does not say about an object -*- C++
//-*-===//

#ifndef FROMSOURCE_OBJECT_SCAN_H
#define FROMSOURCE_OBJECT_SCAN_H

#include "debug_object.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cstdint>
#include <memory>
#include <vector>

namespace fromsource {

/// A section of `.init_array`, `.fini_array` or their older kin.
struct RunSection {
  bool Final;
  /// Entries run from the last to the first, as in `.ctors`.
  bool Reversed;
  /// 65535 for sections without a priority, which are placed last.
  unsigned Priority;
};

/// A checked view of a relocatable object, patched where JITLink lacks
/// something. Neither outlives the bytes it was made from.
struct ObjectScan {
  /// The object to link: the caller's bytes, or a patched copy of them.
  llvm::MemoryBufferRef Object;
  std::unique_ptr<llvm::WritableMemoryBuffer> Copy;

  /// By the section's place in the file, which is how a graph's block is
  /// recognised. In section order.
  llvm::SmallVector<std::pair<const char *, RunSection>, 4> RunSections;
  /// Names of sections with thread-local content.
  llvm::StringSet<> TlsSections;
  /// Names of undefined thread-local symbols.
  llvm::StringSet<> UndefinedTls;
  /// Names of functions that are chosen at load time, and of those alone.
  llvm::StringSet<> Ifuncs;
  /// Of an object that has debug information; none of others.
  std::vector<MemorySection> MemorySections;
  bool HasTls = false;
  /// From -fno-plt: calls whose target is a pointer (R_X86_64_GOTPCRELX).
  bool HasIndirectCalls = false;

  /// Refuses everything that is not a whole relocatable x86-64 object whose
  /// tables stay within its bounds.
  static llvm::Expected<ObjectScan> scan(llvm::ArrayRef<char> Bytes);
};

} // namespace fromsource

#endif // FROMSOURCE_OBJECT_SCAN_H
