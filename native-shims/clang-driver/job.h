//===- job.h - From a command to clang's own options ------------*- C++ -*-===//

#ifndef FROMSOURCE_JOB_H
#define FROMSOURCE_JOB_H

#include "recording_fs.h"
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace clang {
class CompilerInvocation;
class TextDiagnosticBuffer;
} // namespace clang

namespace fromsource {

/// What clang's driver made of a command.
struct Job {
  /// Why only a process of its own can run the command; empty when this one
  /// can.
  std::string Unsupported;
  /// What the driver printed.
  std::string Text;
  /// Whether the command is wrong, so that there is nothing to compile.
  bool Failed = false;
  /// To be copied: a compile changes it. Its arguments live in `Arguments`.
  std::shared_ptr<const clang::CompilerInvocation> Invocation;
  /// What reading the arguments had to say; a compile says it again.
  std::shared_ptr<const clang::TextDiagnosticBuffer> Early;
  /// Of `clang -cc1`, without that.
  std::vector<std::string> Arguments;
  std::string Program;
  bool IsIR = false;
  bool MayKeepPreamble = false;
  /// What the driver looked for: compilers, libraries, folders, input files.
  FileRecord Probed;
  /// Of the program that the command names.
  std::optional<FileStamp> ProgramStamp;

  Job();
  ~Job();
};

/// Jobs by command and folder, least recently used last. Making one costs
/// 0.35 ms of the 2 ms that a one-line file takes.
class JobCache {
public:
  explicit JobCache(DigestMemo &Memo) : Memo(Memo) {}

  /// The job of a command that is run in the working folder `Folder`. It is
  /// made again when anything that the driver found or did not find has
  /// changed, and when it failed.
  std::shared_ptr<const Job> get(const std::vector<std::string> &Command,
                                 const std::string &Folder);

private:
  using Entry = std::pair<std::string, std::shared_ptr<const Job>>;
  DigestMemo &Memo;
  std::list<Entry> Recent;
  std::map<std::string, std::list<Entry>::iterator> ByKey;
};

} // namespace fromsource

#endif // FROMSOURCE_JOB_H
