//===- compile.h - One request ----------------------------------*- C++ -*-===//

#ifndef FROMSOURCE_COMPILE_H
#define FROMSOURCE_COMPILE_H

#include "frontend.h"
#include "ir.h"
#include "job.h"
#include "preamble.h"
#include "protocol.h"

namespace fromsource {

class Channel;

/// Compiles, one request after the other, on one thread. What it keeps between
/// requests can make them faster, and nothing else.
class Compiler {
public:
  explicit Compiler(Channel &To) : To(To), Jobs(Memo), Preambles(Memo) {}

  /// Answers the request, or ends the process with the reason as its answer.
  void serve(const CompileMessage &Message);

private:
  void run(const CompileMessage &Message, Answer &Result);
  void compileAll(const Job &What, const CompileMessage &Message,
                  llvm::IntrusiveRefCntPtr<RecordingFileSystem> Disk,
                  Answer &Result);
  SourceResult compileOne(const Job &What, const CompileMessage &Message,
                          OutputKind Kind, const IRCheck &Checked,
                          llvm::IntrusiveRefCntPtr<RecordingFileSystem> Disk,
                          Answer &Result);

  Channel &To;
  DigestMemo Memo;
  JobCache Jobs;
  PreambleCache Preambles;
};

} // namespace fromsource

#endif // FROMSOURCE_COMPILE_H
