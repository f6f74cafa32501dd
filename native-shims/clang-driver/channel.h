//===- channel.h - Requests in, answers out ---------------------*- C++ -*-===//

#ifndef FROMSOURCE_CHANNEL_H
#define FROMSOURCE_CHANNEL_H

#include "protocol.h"
#include <condition_variable>
#include <deque>
#include <mutex>

namespace fromsource {

/// Of another version, and of a frame that is too long, cut or malformed.
constexpr int ExitWrongVersion = 3;
constexpr int ExitBadFrame = 4;

/// The connection to Node: a thread reads requests ahead, answers go out from
/// the thread that made them. The process ends at once, also in the middle of a
/// compile, when the other end closes: a compile whose answer nobody reads must
/// not outlive Node, however Node ended.
class Channel {
public:
  /// Takes descriptors 0 and 1 for itself: clang finds an empty file that can
  /// be filled as its stdin, and loses what it prints on stdout.
  Channel();

  /// Starts to read. Called once.
  void start();

  /// Waits for the next request.
  CompileMessage next();

  void send(const EncodedFrame &Frame);

  /// What the input `-` reads from now on.
  void setStdin(llvm::StringRef Text);

  int outputDescriptor() const { return Out; }

private:
  void readAll();
  /// False at the end of the stream, when there is one before the first byte.
  bool readExactly(char *To, size_t Size);
  void write(llvm::StringRef Bytes);

  int In, Out;
  std::mutex Mutex;
  std::condition_variable Arrived;
  std::deque<CompileMessage> Queue;
};

[[noreturn]] void endWith(int ExitCode, const llvm::Twine &Why);

} // namespace fromsource

#endif // FROMSOURCE_CHANNEL_H
