//===- debug_object.cpp - Tells debuggers of JIT code ---------------------===//
//
// gdb's JIT interface, as its manual has it ("JIT Compilation Interface"): a
// list of objects in memory, and a function on which gdb sets a breakpoint to
// hear of changes. gdb finds both by name in our dynamic symbols.
//
//===----------------------------------------------------------------------===//

#include "debug_object.h"
#include "llvm/BinaryFormat/ELF.h"
#include <cstring>
#include <mutex>
#include <new>

using namespace llvm;

namespace fromsource {

struct JitCodeEntry {
  JitCodeEntry *Next;
  JitCodeEntry *Previous;
  const char *Object;
  uint64_t Size;
};

struct JitDescriptor {
  uint32_t Version;
  /// What was done with the relevant entry when the function is called.
  enum : uint32_t { Nothing, Registered, Unregistered } Action;
  JitCodeEntry *Relevant;
  JitCodeEntry *First;
};

} // namespace fromsource

using fromsource::JitCodeEntry;
using fromsource::JitDescriptor;

// CMakeLists.txt exports these by the interface's names, `__jit_debug_…`, which
// LLVM defines too.
extern "C" {
__attribute__((visibility("hidden"), used)) JitDescriptor
    fromsource_jit_descriptor = {1, JitDescriptor::Nothing, nullptr, nullptr};

__attribute__((visibility("hidden"), used, noinline)) void
fromsource_jit_register_code() {
  // Unlike any other function, or the linker would make them one, and gdb stop
  // at every call of either.
  asm volatile("movl $0x6a697464, %%eax" ::: "eax", "memory");
}
}

namespace fromsource {

std::vector<MemorySection> memorySections(ArrayRef<char> Object) {
  using namespace ELF;
  auto &H = *reinterpret_cast<const Elf64_Ehdr *>(Object.data());
  auto *First = reinterpret_cast<const Elf64_Shdr *>(Object.data() + H.e_shoff);
  ArrayRef Sections(First, H.e_shnum ? H.e_shnum : First->sh_size);
  uint64_t Names = H.e_shstrndx == SHN_XINDEX ? First->sh_link : H.e_shstrndx;
  const char *Strings = Object.data() + Sections[Names].sh_offset;

  std::vector<MemorySection> Result;
  bool HasDebugInfo = false;
  for (size_t I = 0; I != Sections.size(); ++I) {
    const Elf64_Shdr &S = Sections[I];
    StringRef Name = Strings + S.sh_name;
    HasDebugInfo |= Name == ".debug_info";
    // Thread-local content is copied to where no section is.
    if (!(S.sh_flags & SHF_ALLOC) || (S.sh_flags & SHF_TLS) || !S.sh_size)
      continue;
    bool HasContent = S.sh_type != SHT_NOBITS;
    Result.push_back(
        {I, HasContent ? Object.data() + S.sh_offset : nullptr, Name});
  }
  if (!HasDebugInfo)
    Result.clear();
  return Result;
}

static std::mutex ListMutex;

static void announce(decltype(JitDescriptor::Action) Action,
                     JitCodeEntry *Entry) {
  fromsource_jit_descriptor.Action = Action;
  fromsource_jit_descriptor.Relevant = Entry;
  fromsource_jit_register_code();
}

std::unique_ptr<DebugObject>
DebugObject::create(ArrayRef<char> Object, ArrayRef<SectionAddress> Addresses) {
  std::unique_ptr<char[]> Copy(new (std::nothrow) char[Object.size()]);
  if (!Copy)
    return nullptr;
  memcpy(Copy.get(), Object.data(), Object.size());
  auto &Header = *reinterpret_cast<ELF::Elf64_Ehdr *>(Copy.get());
  auto *Sections =
      reinterpret_cast<ELF::Elf64_Shdr *>(Copy.get() + Header.e_shoff);
  for (auto [Section, Address] : Addresses)
    Sections[Section].sh_addr = Address;
  return std::unique_ptr<DebugObject>(
      new DebugObject(std::move(Copy), Object.size()));
}

DebugObject::DebugObject(std::unique_ptr<char[]> Bytes, size_t Size)
    : Copy(std::move(Bytes)), Size(Size),
      Entry(new JitCodeEntry{nullptr, nullptr, Copy.get(), Size}) {
  std::lock_guard<std::mutex> Lock(ListMutex);
  Entry->Next = fromsource_jit_descriptor.First;
  if (Entry->Next)
    Entry->Next->Previous = Entry.get();
  fromsource_jit_descriptor.First = Entry.get();
  announce(JitDescriptor::Registered, Entry.get());
}

DebugObject::~DebugObject() {
  std::lock_guard<std::mutex> Lock(ListMutex);
  if (Entry->Next)
    Entry->Next->Previous = Entry->Previous;
  if (Entry->Previous)
    Entry->Previous->Next = Entry->Next;
  else
    fromsource_jit_descriptor.First = Entry->Next;
  announce(JitDescriptor::Unregistered, Entry.get());
}

} // namespace fromsource
