//===- debug_object.h - Tells debuggers of JIT code -------------*- C++ -*-===//

#ifndef FROMSOURCE_DEBUG_OBJECT_H
#define FROMSOURCE_DEBUG_OBJECT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <memory>
#include <vector>

namespace fromsource {

struct JitCodeEntry;

/// Where a section of an object lies in this process.
struct SectionAddress {
  /// In the object's section table.
  size_t Section;
  uint64_t Address;
};

/// A section that has a place in memory.
struct MemorySection {
  size_t Section;
  /// Where in the object it begins; null when it is all zeroes.
  const char *Content;
  llvm::StringRef Name;
};

/// Those of an object that has debug information, none of others. The object's
/// tables were checked.
std::vector<MemorySection> memorySections(llvm::ArrayRef<char> Object);

/// An object with debug information, registered through gdb's JIT interface as
/// long as this lives. Any thread may make and destroy one.
class DebugObject {
public:
  /// Copies the object, which was checked, and writes the addresses into its
  /// section table: debuggers apply the relocations of their sections
  /// themselves. Null when there is no memory for it.
  static std::unique_ptr<DebugObject>
  create(llvm::ArrayRef<char> Object, llvm::ArrayRef<SectionAddress> Addresses);
  ~DebugObject();

  llvm::ArrayRef<char> bytes() const { return {Copy.get(), Size}; }

private:
  DebugObject(std::unique_ptr<char[]> Copy, size_t Size);

  std::unique_ptr<char[]> Copy;
  size_t Size;
  std::unique_ptr<JitCodeEntry> Entry;
};

} // namespace fromsource

#endif // FROMSOURCE_DEBUG_OBJECT_H
