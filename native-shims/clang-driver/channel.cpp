//===- channel.cpp - Requests in, answers out -----------------------------===//

#include "channel.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/Threading.h"
#include "llvm/Support/raw_ostream.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

using namespace llvm;

namespace fromsource {

void endWith(int ExitCode, const Twine &Why) {
  std::string Line = ("fromsource-clang-driver: " + Why + "\n").str();
  // Nothing is left to do when even this can't be written.
  (void)!::write(STDERR_FILENO, Line.data(), Line.size());
  _exit(ExitCode);
}

/// A descriptor that is out of the way of 0, 1 and 2, and of child processes.
static int moveAway(int FD) {
  int Moved = fcntl(FD, F_DUPFD_CLOEXEC, 3);
  if (Moved < 0)
    endWith(ExitBadFrame, "descriptor " + Twine(FD) + " is not open");
  return Moved;
}

Channel::Channel() : In(moveAway(STDIN_FILENO)), Out(moveAway(STDOUT_FILENO)) {
  // clang reads `-` from descriptor 0, so that it must be a stdin in earnest:
  // a buffer in its place changes debug information.
  int Text = memfd_create("stdin", MFD_CLOEXEC);
  int Null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (Text < 0 || Null < 0 || dup2(Text, STDIN_FILENO) < 0 ||
      dup2(Null, STDOUT_FILENO) < 0)
    endWith(1, "can't replace stdin and stdout: " + Twine(strerror(errno)));
  close(Text);
  close(Null);
}

void Channel::start() {
  std::thread([this] {
    set_thread_name("reader");
    readAll();
  }).detach();
}

void Channel::readAll() {
  bool Greeted = false;
  for (char Head[4]; readExactly(Head, 4);) {
    uint32_t Length = support::endian::read32le(Head);
    if (Length < 4 || Length > MaxFrameBytes)
      endWith(ExitBadFrame, "a frame claims " + Twine(Length) + " bytes");
    // Not cleared: a claim costs no memory before its bytes are there.
    std::unique_ptr<char[]> Body(new char[Length]);
    if (!readExactly(Body.get(), Length))
      endWith(ExitBadFrame, "the stream ends inside a frame");
    Expected<Request> Message = parseRequest(std::move(Body), Length);
    if (!Message)
      endWith(ExitBadFrame, toString(Message.takeError()));
    if (Greeted == Message->Hello.has_value())
      endWith(ExitBadFrame, "`hello` is the first message, and only that");
    if (!Greeted) {
      if (*Message->Hello != ProtocolVersion)
        endWith(ExitWrongVersion, "the other end speaks protocol " +
                                      Twine(*Message->Hello) + ", this one " +
                                      Twine(ProtocolVersion));
      Greeted = true;
      write(encodeHello(LLVM_VERSION_STRING));
      continue;
    }
    std::lock_guard<std::mutex> Lock(Mutex);
    Queue.push_back(std::move(Message->Compile));
    Arrived.notify_one();
  }
  _exit(0);
}

CompileMessage Channel::next() {
  std::unique_lock<std::mutex> Lock(Mutex);
  Arrived.wait(Lock, [this] { return !Queue.empty(); });
  CompileMessage Message = std::move(Queue.front());
  Queue.pop_front();
  return Message;
}

bool Channel::readExactly(char *To, size_t Size) {
  for (size_t At = 0; At < Size;) {
    ssize_t Count = read(In, To + At, Size - At);
    if (Count < 0 && errno == EINTR)
      continue;
    if (Count < 0)
      endWith(1, "can't read requests: " + Twine(strerror(errno)));
    if (Count == 0 && At == 0)
      return false;
    if (Count == 0)
      endWith(ExitBadFrame, "the stream ends inside a frame");
    At += Count;
  }
  return true;
}

void Channel::send(const EncodedFrame &Frame) {
  write(Frame.Head);
  for (StringRef Part : Frame.Parts)
    write(Part);
}

void Channel::write(StringRef Bytes) {
  while (!Bytes.empty()) {
    ssize_t Count = ::write(Out, Bytes.data(), Bytes.size());
    if (Count < 0 && errno == EINTR)
      continue;
    // The other end is gone, or will not be told anything any more.
    if (Count < 0)
      _exit(1);
    Bytes = Bytes.drop_front(Count);
  }
}

void Channel::setStdin(StringRef Text) {
  if (ftruncate(STDIN_FILENO, 0) < 0 || lseek(STDIN_FILENO, 0, SEEK_SET) < 0)
    endWith(1, "can't empty stdin: " + Twine(strerror(errno)));
  for (size_t At = 0; At < Text.size();) {
    ssize_t Count =
        pwrite(STDIN_FILENO, Text.data() + At, Text.size() - At, At);
    if (Count < 0 && errno == EINTR)
      continue;
    if (Count < 0)
      endWith(1, "can't fill stdin: " + Twine(strerror(errno)));
    At += Count;
  }
}

} // namespace fromsource
