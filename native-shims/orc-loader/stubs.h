//===- stubs.h - Functions that are there when they are called --*- C++ -*-===//

#ifndef FROMSOURCE_STUBS_H
#define FROMSOURCE_STUBS_H

#include "slab.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace fromsource {

class Stubs;

/// A name of a lazy dylib that was asked for before anything defined it.
struct Stub {
  std::string Name;
  Stubs *Owner = nullptr;
  /// Where its code jumps to.
  void **Slot = nullptr;
  /// Its code.
  uint64_t Entry = 0;
  /// Of the definition; 0 until that is linked.
  uint64_t Address = 0;
  bool IsFunction = true;
  /// Its own address is in linked code.
  bool IsUsed = false;
  bool IsAsked = false;
  uint64_t Answers = 0;
  std::string Failure;
};

/// The stubs of one dylib. The first call of one writes its name to a pipe, and
/// waits on the calling thread, whichever that is, until whoever reads the pipe
/// has linked a definition or given a reason why there is none. A later call
/// asks again after a failure, and jumps straight to the definition after a
/// success. Any thread may call.
class Stubs {
public:
  /// `Initialise` runs on the thread that asked, once the definition is linked
  /// and before it is called.
  Stubs(Slab &S, std::string Owner, int Requests,
        std::function<llvm::Error()> Initialise)
      : S(S), Owner(std::move(Owner)), Requests(Requests),
        Initialise(std::move(Initialise)) {}
  ~Stubs();

  /// The address of a stub that linked code will have.
  llvm::Expected<uint64_t> use(llvm::StringRef Name);
  /// The stub's address if linked code has it, else 0.
  uint64_t used(llvm::StringRef Name);

  /// Names without a definition.
  std::vector<std::string> open();
  /// A definition was linked. Its stub leads there after `publish`.
  llvm::Error define(llvm::StringRef Name, uint64_t Address, bool IsFunction);
  std::vector<Stub *> takeFresh();
  void publish(const std::vector<Stub *> &Fresh);

  /// Waits for the definition. The error carries the failure's text.
  llvm::Expected<uint64_t> resolve(llvm::StringRef Name);
  llvm::Expected<uint64_t> resolve(Stub &Wanted);
  /// What `resolve` waits for; an empty failure is none.
  void answer(llvm::StringRef Name, llvm::StringRef Failure);
  /// A thread of the library's own has ended for it.
  void report(llvm::StringRef Failure);

private:
  llvm::Expected<Stub *> find(llvm::StringRef Name);
  llvm::Error addPages();
  llvm::Error write(char About, llvm::StringRef Text);

  Slab &S;
  const std::string Owner;
  const int Requests;
  const std::function<llvm::Error()> Initialise;

  std::mutex Mutex;
  std::condition_variable Answered;
  llvm::StringMap<Stub *> ByName;
  /// Made a page at a time; their addresses are in the code.
  std::deque<Stub> All;
  size_t Used = 0;
  std::vector<char *> Pages;
  std::vector<Stub *> Fresh;
};

} // namespace fromsource

#endif // FROMSOURCE_STUBS_H
