//===- object_scan.cpp - What JITLink does not say about an object --------===//
//
// JITLink checks little of its input, and its ELF reader knows neither
// local-dynamic thread-local storage nor ifunc. Both are expressed here in
// terms that it does know, by patching a copy of the bytes; prepare_tls.cpp and
// prepare_graph.cpp then give the graph their meaning.
//
//===----------------------------------------------------------------------===//

#include "object_scan.h"
#include "error.h"
#include "frame_scan.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace llvm;

namespace fromsource {

namespace {

using namespace llvm::ELF;

Error bad(const Twine &Why) {
  return makeError(FS_ERROR_BAD_OBJECT,
                   "not a relocatable x86-64 object: " + Why);
}

/// The relocations that an object which was not compiled for a shared library
/// may have; JITLink says only that it does not know them.
Error refuseRelocation(uint32_t Type, StringRef Symbol) {
  StringRef Of = Symbol.empty() ? "a local variable" : Symbol;
  switch (Type) {
  case R_X86_64_GOTTPOFF:
  case R_X86_64_TPOFF32:
  case R_X86_64_TPOFF64:
    return makeError(FS_ERROR_UNSUPPORTED,
                     "thread-local " + Of +
                         " is used with the initial-exec or local-exec model "
                         "(R_X86_64_GOTTPOFF, R_X86_64_TPOFF): compile with "
                         "-fPIC and without -ftls-model; a source that has it "
                         "as an attribute (tls_model) needs "
                         "`loader: 'shared-object'`");
  case R_X86_64_GOTPC32_TLSDESC:
  case R_X86_64_TLSDESC_CALL:
  case R_X86_64_TLSDESC:
    return makeError(FS_ERROR_UNSUPPORTED,
                     "thread-local " + Of +
                         " is used through TLS descriptors "
                         "(R_X86_64_TLSDESC): compile with "
                         "-mtls-dialect=gnu");
  case R_X86_64_PLTOFF64:
    return makeError(FS_ERROR_UNSUPPORTED,
                     Symbol + " is called as -mcmodel=large has it "
                              "(R_X86_64_PLTOFF64): compile without it, or "
                              "give `loader: 'shared-object'`");
  }
  return Error::success();
}

uint64_t widthOf(uint32_t Type) {
  switch (Type) {
  case R_X86_64_NONE:
  case R_X86_64_TLSDESC_CALL:
    return 0;
  case R_X86_64_64:
  case R_X86_64_PC64:
  case R_X86_64_GOTPC64:
  case R_X86_64_GOTOFF64:
  case R_X86_64_GOT64:
  case R_X86_64_GOTPCREL64:
  case R_X86_64_DTPOFF64:
  case R_X86_64_TPOFF64:
  case R_X86_64_PLTOFF64:
    return 8;
  case R_X86_64_16:
  case R_X86_64_PC16:
    return 2;
  case R_X86_64_8:
  case R_X86_64_PC8:
    return 1;
  }
  return 4;
}

class Scanner {
public:
  explicit Scanner(ArrayRef<char> Bytes) : Bytes(Bytes) {}

  Error run(ObjectScan &Result);

private:
  Error header();
  Error sections(ObjectScan &Result);
  Error symbols(ObjectScan &Result);
  Error relocations(const Elf64_Shdr &Table, ObjectScan &Result);

  template <typename T>
  bool table(const Elf64_Shdr &S, ArrayRef<T> &Out) const {
    if (S.sh_size % sizeof(T) || S.sh_offset % alignof(T) ||
        S.sh_entsize != sizeof(T))
      return false;
    Out = ArrayRef<T>(reinterpret_cast<const T *>(Bytes.data() + S.sh_offset),
                      S.sh_size / sizeof(T));
    return true;
  }

  /// A string table is usable when it ends with a zero.
  bool strings(uint64_t Index, StringRef &Out) const {
    if (Index >= Sections.size() || Sections[Index].sh_type != SHT_STRTAB)
      return false;
    const Elf64_Shdr &S = Sections[Index];
    Out = StringRef(Bytes.data() + S.sh_offset, S.sh_size);
    return !Out.empty() && Out.back() == 0;
  }

  static StringRef nameAt(StringRef Table, uint32_t Offset) {
    return StringRef(Table.data() + Offset);
  }

  /// Overwrites `Value` at a place that lies in the object.
  template <typename T> void patch(const T &Place, T Value) {
    const char *P = reinterpret_cast<const char *>(&Place);
    for (size_t I = 0; I != sizeof(T); ++I)
      Patches.push_back({uint64_t(P - Bytes.data()) + I,
                         reinterpret_cast<const char *>(&Value)[I]});
  }

  ArrayRef<char> Bytes;
  ArrayRef<Elf64_Shdr> Sections;
  StringRef SectionNames;
  ArrayRef<Elf64_Sym> Symbols;
  StringRef SymbolNames;
  std::vector<std::pair<uint64_t, char>> Patches;
};

Error Scanner::header() {
  if (Bytes.size() < sizeof(Elf64_Ehdr))
    return bad(Twine(Bytes.size()) + " bytes are too few");
  auto &H = *reinterpret_cast<const Elf64_Ehdr *>(Bytes.data());
  if (memcmp(H.e_ident, ElfMagic, 4) != 0)
    return bad("it is no ELF file");
  if (H.e_ident[EI_CLASS] != ELFCLASS64 || H.e_ident[EI_DATA] != ELFDATA2LSB ||
      H.e_machine != EM_X86_64)
    return bad("it is for another machine");
  if (H.e_type != ET_REL)
    return bad("it is an executable or a shared library");
  // The section count is elsewhere when it needs more than 16 bits.
  uint64_t Count = H.e_shnum;
  uint64_t Names = H.e_shstrndx;
  if (H.e_shentsize != sizeof(Elf64_Shdr) || H.e_shoff % alignof(Elf64_Shdr) ||
      H.e_shoff > Bytes.size() || Bytes.size() - H.e_shoff < sizeof(Elf64_Shdr))
    return bad("its section table is damaged");
  auto *First = reinterpret_cast<const Elf64_Shdr *>(Bytes.data() + H.e_shoff);
  if (Count == 0)
    Count = First->sh_size;
  if (Names == SHN_XINDEX)
    Names = First->sh_link;
  if (Count > (Bytes.size() - H.e_shoff) / sizeof(Elf64_Shdr))
    return bad("it is truncated");
  Sections = ArrayRef(First, Count);
  for (const Elf64_Shdr &S : Sections) {
    if (S.sh_type == SHT_NULL)
      continue;
    if (S.sh_addralign > 1 && !isPowerOf2_64(S.sh_addralign))
      return bad("a section's alignment is damaged");
    // JITLink copies what it does not allocate, without a look whether there
    // is anything.
    if (S.sh_type == SHT_NOBITS && !(S.sh_flags & SHF_ALLOC))
      return bad("a section without content has no memory either");
    if (S.sh_type != SHT_NOBITS &&
        (S.sh_offset > Bytes.size() || S.sh_size > Bytes.size() - S.sh_offset))
      return bad("it is truncated");
  }
  if (!strings(Names, SectionNames))
    return bad("its section names are damaged");
  return Error::success();
}

Error Scanner::sections(ObjectScan &Result) {
  const Elf64_Shdr *SymbolTable = nullptr;
  for (const Elf64_Shdr &S : Sections) {
    if (S.sh_name >= SectionNames.size())
      return bad("a section's name is damaged");
    StringRef Name = nameAt(SectionNames, S.sh_name);
    if (S.sh_type == SHT_SYMTAB)
      SymbolTable = &S;
    if (S.sh_flags & SHF_TLS) {
      Result.HasTls = true;
      Result.TlsSections.insert(Name);
    }

    if (Name == ".eh_frame" && S.sh_type != SHT_NOBITS &&
        !framesAreSane(Bytes.slice(S.sh_offset, S.sh_size)))
      return bad("its .eh_frame is damaged");

    StringRef Kind = Name;
    unsigned Priority = 65535;
    bool Init = Kind.consume_front(".init_array");
    bool Fini = !Init && Kind.consume_front(".fini_array");
    bool Ctors = !Init && !Fini && Kind.consume_front(".ctors");
    bool Dtors = !Init && !Fini && !Ctors && Kind.consume_front(".dtors");
    if (!(Init || Fini || Ctors || Dtors) || !(S.sh_flags & SHF_ALLOC))
      continue;
    if (S.sh_type == SHT_NOBITS)
      return bad("its " + Name + " is damaged");
    if (Kind.consume_front(".")) {
      if (Kind.getAsInteger(10, Priority) || Priority > 65535)
        continue;
      // The older kin count downwards.
      if (Ctors || Dtors)
        Priority = 65535 - Priority;
    } else if (!Kind.empty()) {
      continue;
    }
    if (S.sh_size % 8)
      return bad("its " + Name + " is damaged");
    Result.RunSections.push_back({Bytes.data() + S.sh_offset,
                                  {Fini || Dtors, Ctors || Dtors, Priority}});
  }
  if (!SymbolTable)
    return Error::success();
  if (!table(*SymbolTable, Symbols) ||
      !strings(SymbolTable->sh_link, SymbolNames))
    return bad("its symbol table is damaged");
  return symbols(Result);
}

Error Scanner::symbols(ObjectScan &Result) {
  for (const Elf64_Sym &S : Symbols) {
    if (S.st_name >= SymbolNames.size())
      return bad("a symbol's name is damaged");
    if (S.st_shndx < SHN_LORESERVE && S.st_shndx >= Sections.size())
      return bad("a symbol's section is damaged");
    unsigned Type = S.getType();
    if (Type == STT_TLS) {
      Result.HasTls = true;
      if (S.st_shndx == SHN_UNDEF)
        Result.UndefinedTls.insert(nameAt(SymbolNames, S.st_name));
    } else if (Type == STT_GNU_IFUNC && S.st_shndx != SHN_UNDEF) {
      Result.Ifuncs.insert(nameAt(SymbolNames, S.st_name));
      patch(S.st_info,
            static_cast<unsigned char>((S.getBinding() << 4) | STT_FUNC));
    }
  }
  return Error::success();
}

Error Scanner::relocations(const Elf64_Shdr &Table, ObjectScan &Result) {
  if (Table.sh_info >= Sections.size())
    return bad("a relocation table is damaged");
  const Elf64_Shdr &Target = Sections[Table.sh_info];
  // Debug sections are not linked. Without their relocations JITLink drops them
  // at once, and needs not know all that DWARF uses.
  if (!(Target.sh_flags & SHF_ALLOC)) {
    patch(Table.sh_type, Elf64_Word(SHT_NULL));
    return Error::success();
  }
  ArrayRef<Elf64_Rela> Entries;
  if (Table.sh_type != SHT_RELA || !table(Table, Entries))
    return bad("a relocation table is damaged");
  if (!Entries.empty() && Target.sh_type == SHT_NOBITS)
    return bad("a relocation lies in a section without content");
  for (const Elf64_Rela &R : Entries) {
    uint32_t Type = R.getType();
    uint64_t Width = widthOf(Type);
    if (R.r_offset > Target.sh_size || Target.sh_size - R.r_offset < Width ||
        R.getSymbol() >= Symbols.size())
      return bad("a relocation is damaged");
    StringRef Symbol = nameAt(SymbolNames, Symbols[R.getSymbol()].st_name);
    if (Error Err = refuseRelocation(Type, Symbol))
      return Err;
    Result.HasIndirectCalls |= Type == R_X86_64_GOTPCRELX;
    // A difference to a thread-local symbol can mean nothing else, so the
    // substitutes are told from the real ones by their targets.
    Elf64_Xword Substitute = Type == R_X86_64_TLSLD      ? R_X86_64_PC32
                             : Type == R_X86_64_DTPOFF32 ? R_X86_64_32
                             : Type == R_X86_64_DTPOFF64 ? R_X86_64_64
                                                         : R_X86_64_NONE;
    if (Substitute)
      patch<Elf64_Xword>(R.r_info, (R.r_info - Type) | Substitute);
  }
  return Error::success();
}

Error Scanner::run(ObjectScan &Result) {
  if (Error Err = header())
    return Err;
  if (Error Err = sections(Result))
    return Err;
  for (const Elf64_Shdr &S : Sections)
    if (S.sh_type == SHT_RELA || S.sh_type == SHT_REL)
      if (Error Err = relocations(S, Result))
        return Err;
  if (Patches.empty())
    return Error::success();

  if (!Result.Copy) {
    Result.Copy = WritableMemoryBuffer::getNewUninitMemBuffer(Bytes.size());
    if (!Result.Copy)
      return errorCodeToError(make_error_code(std::errc::not_enough_memory));
    memcpy(Result.Copy->getBufferStart(), Bytes.data(), Bytes.size());
  }
  char *Target = Result.Copy->getBufferStart();
  for (auto [Offset, Value] : Patches)
    Target[Offset] = Value;
  for (auto &[Place, Section] : Result.RunSections)
    Place = Target + (Place - Bytes.data());
  return Error::success();
}

} // namespace

Expected<ObjectScan> ObjectScan::scan(ArrayRef<char> Bytes) {
  ObjectScan Result;
  if (reinterpret_cast<uintptr_t>(Bytes.data()) % 8) {
    Result.Copy = WritableMemoryBuffer::getNewUninitMemBuffer(Bytes.size());
    if (!Result.Copy)
      return errorCodeToError(make_error_code(std::errc::not_enough_memory));
    memcpy(Result.Copy->getBufferStart(), Bytes.data(), Bytes.size());
    Bytes = ArrayRef(Result.Copy->getBufferStart(), Bytes.size());
  }
  if (Error Err = Scanner(Bytes).run(Result))
    return Err;
  if (Result.Copy)
    Bytes = ArrayRef(Result.Copy->getBufferStart(), Bytes.size());
  Result.Object =
      MemoryBufferRef(StringRef(Bytes.data(), Bytes.size()), "object");
  Result.MemorySections = memorySections(Bytes);
  return Result;
}

} // namespace fromsource
