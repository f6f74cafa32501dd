//===- frame_scan.cpp - A look at .eh_frame before JITLink's --------------===//

#include "frame_scan.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/BinaryFormat/Dwarf.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/LEB128.h"

using namespace llvm;

namespace fromsource {

namespace {

/// Reads forwards; once past the end, everything is 0 and `ok` false.
class Reader {
public:
  explicit Reader(ArrayRef<char> Bytes)
      : At(reinterpret_cast<const uint8_t *>(Bytes.data())),
        End(At + Bytes.size()) {}

  bool ok() const { return !Failed; }
  bool atEnd() const { return At == End; }
  uint8_t byte() { return take(1) ? At[-1] : 0; }
  uint32_t word() { return take(4) ? support::endian::read32le(At - 4) : 0; }
  bool take(size_t Count) {
    Failed |= size_t(End - At) < Count;
    if (!Failed)
      At += Count;
    return !Failed;
  }
  void skipLeb() {
    while (byte() & 0x80)
      ;
  }
  StringRef string() {
    const uint8_t *Start = At;
    while (byte())
      ;
    return Failed ? "" : reinterpret_cast<const char *>(Start);
  }
  /// The next `Count` bytes, for a reader of their own.
  ArrayRef<char> part(size_t Count) {
    return take(Count)
               ? ArrayRef(reinterpret_cast<const char *>(At - Count), Count)
               : ArrayRef<char>();
  }

private:
  const uint8_t *At;
  const uint8_t *End;
  bool Failed = false;
};

/// The size of a pointer of this encoding, 0 for one that JITLink lacks.
size_t pointerSize(uint8_t Encoding) {
  uint8_t Application = Encoding & 0x70;
  if (Application != dwarf::DW_EH_PE_absptr &&
      Application != dwarf::DW_EH_PE_pcrel)
    return 0;
  switch (Encoding & 0x0f) {
  case dwarf::DW_EH_PE_absptr:
  case dwarf::DW_EH_PE_udata8:
  case dwarf::DW_EH_PE_sdata8:
    return 8;
  case dwarf::DW_EH_PE_udata4:
  case dwarf::DW_EH_PE_sdata4:
    return 4;
  }
  return 0;
}

/// A CIE, from behind its id.
bool isSane(Reader R) {
  R.byte(); // Version.
  StringRef Augmentation = R.string();
  R.skipLeb(); // Code alignment.
  R.skipLeb(); // Data alignment.
  R.skipLeb(); // Return address register.
  for (char C : Augmentation) {
    switch (C) {
    case 'z':
      R.skipLeb();
      break;
    case 'P':
      if (size_t Size = pointerSize(R.byte()))
        R.take(Size);
      else
        return false;
      break;
    case 'L':
    case 'R': {
      uint8_t Encoding = R.byte();
      if (Encoding != dwarf::DW_EH_PE_omit && !pointerSize(Encoding))
        return false;
      break;
    }
    case 'S':
    case 'B':
      break;
    default:
      return false;
    }
  }
  return R.ok();
}

} // namespace

bool framesAreSane(ArrayRef<char> Section) {
  Reader R(Section);
  while (R.ok() && !R.atEnd()) {
    uint32_t Length = R.word();
    if (Length == 0)
      continue;
    // 64-bit lengths are for 4 GiB of records.
    if (Length == UINT32_MAX)
      return false;
    Reader Record(R.part(Length));
    // Zero for a CIE; an FDE's distance to its CIE otherwise.
    if (R.ok() && Record.word() == 0 && !isSane(Record))
      return false;
    if (!Record.ok())
      return false;
  }
  return R.ok();
}

} // namespace fromsource
