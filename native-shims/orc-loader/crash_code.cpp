//===- crash_code.cpp - What a handler knows of libraries -----------------===//

#include "crash_code.h"
#include "error.h"
#include <algorithm>
#include <atomic>
#include <memory>

using namespace llvm;

namespace fromsource {

static constexpr size_t MostLibraries = 4096;
static std::atomic<CrashCode *> Slots[MostLibraries];

const CrashCode *codeAt(uint64_t Pc) {
  for (auto &Slot : Slots)
    if (const CrashCode *C = Slot.load(std::memory_order_acquire))
      if (C->contains(Pc))
        return C;
  return nullptr;
}

template <typename Entry, typename Key>
static const Entry *lastUpTo(const std::vector<Entry> &Table, uint64_t Pc,
                             Key Of) {
  auto I =
      std::upper_bound(Table.begin(), Table.end(), Pc,
                       [&](uint64_t A, const Entry &E) { return A < Of(E); });
  return I == Table.begin() ? nullptr : &*(I - 1);
}

const fs_code_function *CrashCode::functionAt(uint64_t Pc) const {
  const fs_code_function *F =
      lastUpTo(Functions, Pc, [](const fs_code_function &E) { return E.from; });
  return F && (F->size == 0 || Pc - F->from < F->size) ? F : nullptr;
}

const fs_code_line *CrashCode::lineAt(uint64_t Pc) const {
  const fs_code_line *L =
      lastUpTo(Lines, Pc, [](const fs_code_line &E) { return E.from; });
  return L && L->line ? L : nullptr;
}

Expected<uint64_t> addCrashCode(const char *Library,
                                const fs_code_tables &Tables) {
  auto Code = std::make_unique<CrashCode>();
  Code->Library = Library;
  Code->Ranges.assign(Tables.ranges, Tables.ranges + Tables.range_count);
  Code->Functions.assign(Tables.functions,
                         Tables.functions + Tables.function_count);
  Code->Lines.assign(Tables.lines, Tables.lines + Tables.line_count);
  Code->Text.assign(Tables.text, Tables.text + Tables.text_size);
  // Names end here at the latest.
  Code->Text.push_back(0);
  for (size_t I = 0; I != MostLibraries; ++I) {
    CrashCode *Free = nullptr;
    if (Slots[I].compare_exchange_strong(Free, Code.get())) {
      Code.release();
      return I;
    }
  }
  return makeError(FS_ERROR_MISUSE, "crashes of so many libraries at once "
                                    "can't be reported: dispose some");
}

void removeCrashCode(uint64_t Id) {
  if (Id < MostLibraries)
    delete Slots[Id].exchange(nullptr);
}

} // namespace fromsource
