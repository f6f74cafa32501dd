//===- process_symbols.cpp - What JIT code may use of its process ---------===//

#include "process_symbols.h"
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <mutex>

using namespace llvm;

namespace fromsource {

ProcessSymbols::ProcessSymbols() {
  // A program in C may not have libstdc++: JIT code in C++ needs it. It brings
  // libm, libc and libgcc_s, and dlsym searches a library's dependencies too.
  if (void *Library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_GLOBAL))
    Libraries.push_back(Library);
  // The last two are part of libc since glibc 2.34.
  for (const char *Name :
       {"libgcc_s.so.1", "libm.so.6", "libc.so.6", "ld-linux-x86-64.so.2",
        "libpthread.so.0", "libdl.so.2"})
    if (void *Library = dlopen(Name, RTLD_LAZY | RTLD_NOLOAD))
      Libraries.push_back(Library);
}

void *ProcessSymbols::definition(const char *Name) const {
  for (void *Library : Libraries)
    if (void *Address = dlsym(Library, Name))
      return Address;
  return nullptr;
}

void *ProcessSymbols::find(StringRef Name) {
  {
    std::shared_lock<std::shared_mutex> Lock(Mutex);
    auto I = Known.find(Name);
    if (I != Known.end())
      return I->second;
  }
  std::string Terminated = Name.str();
  void *Address = definition(Terminated.c_str());
  if (!Address)
    return nullptr;
  if (void *Used = dlsym(RTLD_DEFAULT, Terminated.c_str()))
    Address = Used;
  std::unique_lock<std::shared_mutex> Lock(Mutex);
  Known[Name] = Address;
  return Address;
}

std::optional<ProcessSymbols::TlsLocation>
ProcessSymbols::findTls(StringRef Name) {
  // dlsym gives the calling thread's instance, and so the module whose block
  // on this thread contains it.
  struct Search {
    char *Address;
    TlsLocation Found;
  } S = {static_cast<char *>(definition(Name.str().c_str())), {0, 0}};
  if (!S.Address)
    return std::nullopt;
  int Hit = dl_iterate_phdr(
      [](dl_phdr_info *Info, size_t, void *Data) {
        auto &S = *static_cast<Search *>(Data);
        auto *Block = static_cast<char *>(Info->dlpi_tls_data);
        if (!Block)
          return 0;
        for (unsigned I = 0; I != Info->dlpi_phnum; ++I) {
          const auto &Header = Info->dlpi_phdr[I];
          if (Header.p_type != PT_TLS || S.Address < Block ||
              S.Address >= Block + Header.p_memsz)
            continue;
          S.Found = {Info->dlpi_tls_modid, uint64_t(S.Address - Block)};
          return 1;
        }
        return 0;
      },
      &S);
  if (!Hit)
    return std::nullopt;
  return S.Found;
}

/// Appends the defined global names of one library's dynamic symbol table.
static void appendNames(const link_map &Map, std::vector<std::string> &Names) {
  const Elf64_Sym *Symbols = nullptr;
  const char *Strings = nullptr;
  const uint32_t *Hash = nullptr;
  for (const Elf64_Dyn *D = Map.l_ld; D->d_tag != DT_NULL; ++D) {
    // glibc has relocated these three.
    if (D->d_tag == DT_SYMTAB)
      Symbols = reinterpret_cast<const Elf64_Sym *>(D->d_un.d_ptr);
    else if (D->d_tag == DT_STRTAB)
      Strings = reinterpret_cast<const char *>(D->d_un.d_ptr);
    else if (D->d_tag == DT_GNU_HASH)
      Hash = reinterpret_cast<const uint32_t *>(D->d_un.d_ptr);
  }
  if (!Symbols || !Strings || !Hash)
    return;
  // The table's end is known only to the hash chains: the last symbol of the
  // last bucket's chain has its lowest bit set.
  uint32_t Buckets = Hash[0], First = Hash[1], Words = Hash[2];
  const uint32_t *Bucket = Hash + 4 + Words * 2;
  const uint32_t *Chain = Bucket + Buckets;
  uint32_t Last = 0;
  for (uint32_t I = 0; I != Buckets; ++I)
    Last = std::max(Last, Bucket[I]);
  if (Last < First)
    return;
  while (!(Chain[Last - First] & 1))
    ++Last;
  for (uint32_t I = First; I <= Last; ++I) {
    const char *Name = Strings + Symbols[I].st_name;
    if (Symbols[I].st_shndx != SHN_UNDEF && Name[0] != '_')
      Names.push_back(Name);
  }
}

std::vector<std::string> ProcessSymbols::cNames() const {
  std::vector<std::string> Names;
  for (const char *Library : {"libc.so.6", "libm.so.6"})
    if (void *Handle = dlopen(Library, RTLD_LAZY | RTLD_NOLOAD)) {
      appendNames(*static_cast<link_map *>(Handle), Names);
      dlclose(Handle);
    }
  return Names;
}

} // namespace fromsource
