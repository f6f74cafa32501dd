//===- crash_code.h - What a handler knows of libraries --------*- C++ -*-===//

#ifndef FROMSOURCE_CRASH_CODE_H
#define FROMSOURCE_CRASH_CODE_H

#include "orc_loader.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace fromsource {

/// The code of one library; never changed once it can be seen.
struct CrashCode {
  std::string Library;
  std::vector<fs_code_range> Ranges;
  std::vector<fs_code_function> Functions;
  std::vector<fs_code_line> Lines;
  std::vector<char> Text;

  bool contains(uint64_t Pc) const {
    for (const fs_code_range &R : Ranges)
      if (R.from <= Pc && Pc < R.to)
        return true;
    return false;
  }
  /// Null where no function is known.
  const fs_code_function *functionAt(uint64_t Pc) const;
  /// Null where no line is known.
  const fs_code_line *lineAt(uint64_t Pc) const;
  const char *textAt(uint32_t Offset) const {
    return Offset < Text.size() ? &Text[Offset] : "?";
  }
};

/// Null when it is in no library. Neither allocates nor locks.
const CrashCode *codeAt(uint64_t Pc);

/// Copies the tables; the result is for removeCrashCode.
llvm::Expected<uint64_t> addCrashCode(const char *Library,
                                      const fs_code_tables &Tables);
void removeCrashCode(uint64_t Id);

} // namespace fromsource

#endif // FROMSOURCE_CRASH_CODE_H
