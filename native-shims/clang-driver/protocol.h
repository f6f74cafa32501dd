//===- protocol.h - Frames and messages -------------------------*- C++ -*-===//
//
// The protocol between this process and `native-shims/clang-driver`. Pure:
// frames <-> messages, no I/O.
//
// A frame is a 32-bit little-endian length and that many bytes of body; a body
// is a 32-bit little-endian length, that many bytes of JSON (the message), and
// then the message's attachments, back to back. The message says how long each
// attachment is in `attachments`; other fields name attachments by their index.
// The first frame in each direction is a `hello` with the protocol's version,
// and nothing else is read from an end that speaks another one. Requests go to
// the driver's stdin, answers come from its stdout, in the order of the
// requests. The driver ends when its stdin does.
//
// src/compile/protocol.ts opens with the same paragraph.
//
//===----------------------------------------------------------------------===//

#ifndef FROMSOURCE_PROTOCOL_H
#define FROMSOURCE_PROTOCOL_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fromsource {

constexpr int ProtocolVersion = 4;

/// A frame longer than this is a broken stream, not a message.
constexpr uint32_t MaxFrameBytes = 1u << 30;

enum class OutputKind { Object, Bitcode, IR };

llvm::StringRef nameOf(OutputKind Kind);

/// One compile. What is named by reference lies in `Body`.
struct CompileMessage {
  int64_t Id = 0;
  std::vector<std::string> Command;
  std::string Folder;
  std::optional<llvm::StringRef> Stdin;
  std::vector<std::pair<std::string, llvm::StringRef>> Files;
  std::vector<OutputKind> Outputs;
  std::optional<std::string> Passes;
  bool Preamble = false;
  /// Where in stdin the source begins that is to be made into code; what comes
  /// before lives already.
  std::optional<size_t> DeclaredBefore;
  uint64_t MaxMemoryBytes = 0;

  std::unique_ptr<char[]> Body;
};

/// A frame's message: a greeting, or a compile.
struct Request {
  /// The version, when the message is a `hello`.
  std::optional<int64_t> Hello;
  CompileMessage Compile;
};

/// Reads the body of a frame, and keeps it in the message.
llvm::Expected<Request> parseRequest(std::unique_ptr<char[]> Body,
                                     uint32_t Length);

enum class Status { Ok, Failed, Unsupported, Memory };
enum class PreambleUse { None, Built, Reused };

struct FileRead {
  std::string Path;
  uint64_t Size = 0;
  /// SHA-256 in hexadecimal.
  std::string Digest;
};

struct FolderListed {
  std::string Path;
  /// SHA-256, in hexadecimal, of the names of its entries: sorted by their
  /// bytes, with a NUL behind each. Empty when they could not be listed.
  std::string Digest;
};

struct PhaseTimes {
  double Frontend = 0, Optimise = 0, Codegen = 0, Total = 0;
};

/// How a compile went.
struct Answer {
  fromsource::Status Status = Status::Failed;
  std::string Reason;
  std::string Stderr;
  std::vector<std::pair<OutputKind, llvm::SmallVector<char, 0>>> Outputs;
  std::vector<FileRead> Read;
  /// What was not there; with a slash at the end, what was a folder, and must
  /// not be a file.
  std::vector<std::string> Absent;
  std::vector<FolderListed> Listed;
  std::vector<std::string> Volatile;
  PreambleUse Preamble = PreambleUse::None;
  PhaseTimes Times;
  uint64_t Resident = 0, Peak = 0;
};

/// The frame without its attachments, which follow it in the order of `Parts`:
/// a large object is not copied.
struct EncodedFrame {
  std::string Head;
  std::vector<llvm::StringRef> Parts;
};

/// The parts point into the answer. One that is too long for a frame gives a
/// failure that says so.
EncodedFrame encodeAnswer(int64_t Id, const Answer &A);
std::string encodeHello(llvm::StringRef LLVMVersion);

/// The last message of a driver that clang crashed in. Allocates nothing and
/// returns the frame's size: a signal handler calls it.
size_t encodeCrash(int64_t Id, const char *Signal, char (&To)[256]);

} // namespace fromsource

#endif // FROMSOURCE_PROTOCOL_H
