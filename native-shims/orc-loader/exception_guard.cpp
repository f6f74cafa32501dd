//===- exception_guard.cpp - Calls that exceptions do not leave -----------===//
//
// Without anything of LLVM, which is built without exceptions.
//
//===----------------------------------------------------------------------===//

#include "exception_guard.h"
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <mutex>
#include <sys/mman.h>
#include <typeinfo>
#include <unistd.h>
#include <unwind.h>

using namespace fromsource;

// call_thunks.S
extern "C" __attribute__((visibility("hidden")))
const char fromsource_thunk_page[];
extern "C" __attribute__((visibility("hidden"))) void fromsource_guard_enter();
extern "C" __attribute__((visibility("hidden"))) void fromsource_guard_caught();

//===- The thunks ---------------------------------------------------------===//

static constexpr size_t PageBytes = 4096;
static constexpr size_t ThunkBytes = 16;
static constexpr size_t GuardsInPage = PageBytes / ThunkBytes;
static constexpr size_t BlockBytes = GuardsInPage * sizeof(GuardBlock);

static std::mutex FreeMutex;
static GuardBlock *FirstFree = nullptr;

/// The file that this library was opened from, and the offset of the thunks.
static int openThunks(off_t &Offset) {
  struct Search {
    uintptr_t Address;
    const char *Path;
    off_t Offset;
  } S = {reinterpret_cast<uintptr_t>(fromsource_thunk_page), nullptr, 0};
  dl_iterate_phdr(
      [](dl_phdr_info *Info, size_t, void *Data) {
        auto &S = *static_cast<Search *>(Data);
        for (unsigned I = 0; I != Info->dlpi_phnum; ++I) {
          const auto &Header = Info->dlpi_phdr[I];
          uintptr_t From = Info->dlpi_addr + Header.p_vaddr;
          if (Header.p_type != PT_LOAD || S.Address < From ||
              S.Address >= From + Header.p_filesz)
            continue;
          S.Path = Info->dlpi_name;
          S.Offset = Header.p_offset + (S.Address - From);
          return 1;
        }
        return 0;
      },
      &S);
  Offset = S.Offset;
  return S.Path ? open(S.Path, O_RDONLY | O_CLOEXEC) : -1;
}

/// From the file, because that is allowed where memory that was written may
/// not be made executable; and if the file is another by now, from memory.
static bool mapThunks(char *At) {
  off_t Offset;
  int File = openThunks(Offset);
  if (File != -1) {
    void *Code = mmap(At, PageBytes, PROT_READ | PROT_EXEC,
                      MAP_PRIVATE | MAP_FIXED, File, Offset);
    off_t End = lseek(File, 0, SEEK_END);
    close(File);
    // Beyond the end of a file that was cut there is nothing to read.
    if (Code != MAP_FAILED && End >= off_t(Offset + PageBytes) &&
        memcmp(At, fromsource_thunk_page, PageBytes) == 0)
      return true;
  }
  if (mmap(At, PageBytes, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
    return false;
  memcpy(At, fromsource_thunk_page, PageBytes);
  return mprotect(At, PageBytes, PROT_READ | PROT_EXEC) == 0;
}

/// 256 more; they stay.
static bool addGuards() {
  size_t Bytes = PageBytes + BlockBytes;
  void *Area = mmap(nullptr, Bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (Area == MAP_FAILED)
    return false;
  auto *Page = static_cast<char *>(Area);
  if (!mapThunks(Page)) {
    munmap(Area, Bytes);
    return false;
  }
  auto *Blocks = reinterpret_cast<GuardBlock *>(Page + PageBytes);
  for (size_t I = GuardsInPage; I-- != 0;) {
    Blocks[I].Index = uint16_t(I);
    Blocks[I].Enter = fromsource_guard_enter;
    Blocks[I].Target = FirstFree;
    FirstFree = &Blocks[I];
  }
  return true;
}

static char *thunkOf(GuardBlock *Block) {
  char *Page = reinterpret_cast<char *>(Block - Block->Index) - PageBytes;
  return Page + Block->Index * ThunkBytes;
}

GuardBlock *fromsource::createGuard(void *Target, size_t StackWords,
                                    void *&Thunk) {
  std::lock_guard<std::mutex> Lock(FreeMutex);
  if (!FirstFree && !addGuards())
    return nullptr;
  GuardBlock *Block = FirstFree;
  FirstFree = static_cast<GuardBlock *>(Block->Target);
  Block->Target = Target;
  Block->StackWords = uint16_t(StackWords | 1);
  Thunk = thunkOf(Block);
  return Block;
}

void fromsource::disposeGuard(GuardBlock *Block) {
  delete Block->Exception;
  Block->Exception = nullptr;
  Block->Thrown = 0;
  std::lock_guard<std::mutex> Lock(FreeMutex);
  Block->Target = FirstFree;
  FirstFree = Block;
}

//===- The exceptions -----------------------------------------------------===//

namespace {

/// What is before every exception of C++ (Itanium C++ ABI), as both libstdc++
/// and libc++abi have it on 64-bit systems.
struct ExceptionHeader {
  const std::type_info *Type;
  void (*Destructor)(void *);
  void *Handlers[2];
  void *Next;
  int HandlerCount, HandlerSwitch;
  const void *Table[2];
  void *CatchTemp;
  void *Adjusted;
  _Unwind_Exception Unwind;
};

/// A C++ runtime: a process may have several. A library that brings its own
/// names the functions that it threw by.
struct Runtime {
  void *(*BeginCatch)(void *);
  void (*EndCatch)();
  /// typeid(std::exception)
  const std::type_info *Exception;
};

/// The last byte is 1 for an exception that std::rethrow_exception threw, which
/// stands for another.
constexpr _Unwind_Exception_Class Gnu = 0x474e5543432b2b00;   // GNUCC++
constexpr _Unwind_Exception_Class Clang = 0x434c4e47432b2b00; // CLNGC++
constexpr _Unwind_Exception_Class StandsForOther = 1;

/// The library that an address is in, or null when it is the one that has
/// `Ours`. It stays: code of it is on this very stack.
void *openOther(void *Address, void *Ours) {
  Dl_info Its, Own;
  if (!Address || !dladdr(Address, &Its) || !dladdr(Ours, &Own) ||
      Its.dli_fbase == Own.dli_fbase)
    return nullptr;
  void *Handle = dlopen(Its.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  if (Handle)
    dlclose(Handle);
  return Handle;
}

template <typename T> void take(void *Library, const char *Name, T &Into) {
  if (void *Address = dlsym(Library, Name))
    Into = reinterpret_cast<T>(Address);
  else
    Into = nullptr;
}

/// Of which an exception is; its functions are null where they can't be had.
Runtime runtimeOf(const _Unwind_Exception &Exc) {
  Runtime R = {abi::__cxa_begin_catch, abi::__cxa_end_catch,
               &typeid(std::exception)};
  auto *Cleanup = reinterpret_cast<void *>(Exc.exception_cleanup);
  auto *Ours = reinterpret_cast<void *>(abi::__cxa_begin_catch);
  if (void *Other = openOther(Cleanup, Ours)) {
    take(Other, "__cxa_begin_catch", R.BeginCatch);
    take(Other, "__cxa_end_catch", R.EndCatch);
    take(Other, "_ZTISt9exception", R.Exception);
  }
  return R;
}

/// The std::exception that an object of this type is one of, or null.
/// `type_info::__do_catch` of libstdc++ and `can_catch` of libc++abi are the
/// same entry of the table of virtual functions.
const std::exception *asException(const Runtime &R, const std::type_info *Type,
                                  const char *Thrown) {
  void *Object = const_cast<char *>(Thrown);
  if (!R.Exception)
    return nullptr;
  using DoCatch = bool (*)(const void *, const void *, void **, unsigned);
  auto *Table = *reinterpret_cast<void *const *const *>(R.Exception);
  auto Catches = reinterpret_cast<DoCatch>(Table[4]);
  if (!Catches(R.Exception, Type, &Object, 1))
    return nullptr;
  return static_cast<const std::exception *>(Object);
}

void describe(const _Unwind_Exception &Exc, const Runtime &R,
              fs_exception &Into) {
  const auto Maker = Exc.exception_class & ~StandsForOther;
  if (Maker != Gnu && Maker != Clang) {
    Into.Type = "an exception of another language";
    return;
  }
  auto *Object = reinterpret_cast<const char *>(&Exc + 1);
  auto *Header = reinterpret_cast<const ExceptionHeader *>(Object) - 1;
  if (Exc.exception_class != Maker) {
    // What it stands for is named in place of the type, or just before it.
    auto *Other = reinterpret_cast<const char *const *>(Header);
    Object = Maker == Gnu ? Other[0] : Other[-1];
    Header = reinterpret_cast<const ExceptionHeader *>(Object) - 1;
  }
  int Status = 0;
  char *Name =
      abi::__cxa_demangle(Header->Type->name(), nullptr, nullptr, &Status);
  Into.Type = Status == 0 ? Name : Header->Type->name();
  free(Name);
  if (auto *E = asException(R, Header->Type, Object))
    if (const char *What = E->what()) {
      Into.What = What;
      Into.HasWhat = true;
    }
}

} // namespace

/// Takes all exceptions of all languages. A forced unwind (pthread_exit,
/// pthread_cancel) is none: it goes on.
extern "C" __attribute__((visibility("hidden"))) _Unwind_Reason_Code
fromsource_guard_personality(int, _Unwind_Action Actions,
                             _Unwind_Exception_Class, _Unwind_Exception *Exc,
                             _Unwind_Context *Context) {
  if (Actions & _UA_FORCE_UNWIND)
    return _URC_CONTINUE_UNWIND;
  if (Actions & _UA_SEARCH_PHASE)
    return _URC_HANDLER_FOUND;
  if (!(Actions & _UA_HANDLER_FRAME))
    return _URC_CONTINUE_UNWIND;

  // The context is that of the unwinder which calls this: libc++abi may have
  // LLVM's instead of libgcc's.
  auto SetGR = &_Unwind_SetGR;
  auto SetIP = &_Unwind_SetIP;
  if (void *Other = openOther(__builtin_return_address(0),
                              reinterpret_cast<void *>(&_Unwind_SetGR))) {
    take(Other, "_Unwind_SetGR", SetGR);
    take(Other, "_Unwind_SetIP", SetIP);
    if (!SetGR || !SetIP)
      return _URC_FATAL_PHASE2_ERROR;
  }
  SetGR(Context, __builtin_eh_return_data_regno(0),
        reinterpret_cast<uintptr_t>(Exc));
  SetIP(Context, reinterpret_cast<uintptr_t>(fromsource_guard_caught));
  return _URC_INSTALL_CONTEXT;
}

/// The end of an exception. What its destructor throws ends the process, as
/// it does in C++.
extern "C" __attribute__((visibility("hidden"))) void
fromsource_guard_keep(_Unwind_Exception *Exc, GuardBlock *Block) noexcept {
  const Runtime R = runtimeOf(*Exc);
  const bool IsCaught = R.BeginCatch && R.EndCatch;
  if (IsCaught)
    R.BeginCatch(Exc);
  // What JavaScript did not take: it threw an error of its own.
  delete Block->Exception;
  Block->Exception = nullptr;
  try {
    Block->Exception = new fs_exception();
    describe(*Exc, R, *Block->Exception);
  } catch (const std::bad_alloc &) {
    // Then the caller learns that something was thrown, and no more.
  }
  Block->Thrown = 1;
  if (IsCaught)
    R.EndCatch();
  else
    _Unwind_DeleteException(Exc);
}
