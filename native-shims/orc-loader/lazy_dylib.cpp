//===- lazy_dylib.cpp - A library whose objects come when they are called -===//

#include "dylib.h"
#include "error.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using namespace fromsource;

Error fs_dylib::makeLazy(int Requests) {
  std::lock_guard<std::mutex> Lock(Mutex);
  if (Objects != 0 || Lazy)
    return makeError(FS_ERROR_MISUSE, "the dylib is not empty");
  Lazy = std::make_unique<Stubs>(
      S.slab(), utohexstr(reinterpret_cast<uintptr_t>(this), true), Requests,
      [this] { return initialise(); });
  return Error::success();
}

Error fs_dylib::addStubs(StringRef Names) {
  std::lock_guard<std::mutex> Lock(Mutex);
  for (StringRef Name : llvm::split(Names, '\n'))
    if (!Name.empty())
      LazyNames.insert(Name);
  return Error::success();
}

/// After a link: tells the stubs what is there now.
Error fs_dylib::defineStubs() {
  orc::SymbolLookupSet Wanted;
  for (const std::string &Name : Lazy->open())
    Wanted.add(S.orc().intern(Name),
               orc::SymbolLookupFlags::WeaklyReferencedSymbol);
  if (Wanted.empty())
    return Error::success();
  auto Found =
      S.orc().lookup({{JD.get(), orc::JITDylibLookupFlags::MatchAllSymbols}},
                     std::move(Wanted));
  if (!Found)
    return Found.takeError();
  for (auto &[Name, Def] : *Found)
    if (Error Err = Lazy->define(*Name, Def.getAddress().getValue(),
                                 Def.getFlags().isCallable()))
      return Err;
  return Error::success();
}

Expected<uint64_t> fs_dylib::resolve(StringRef Name) {
  if (!Lazy)
    return makeError(FS_ERROR_MISUSE, "the dylib is not lazy");
  return Lazy->resolve(Name);
}

Error fs_dylib::answer(StringRef Name, StringRef Failure) {
  if (!Lazy)
    return makeError(FS_ERROR_MISUSE, "the dylib is not lazy");
  std::string Text = Failure.str();
  {
    std::lock_guard<std::mutex> Lock(Mutex);
    // The name may have been linked before it was asked for.
    if (Error Err = defineStubs())
      Text = toString(std::move(Err));
  }
  Lazy->answer(Name, Text);
  return Error::success();
}
