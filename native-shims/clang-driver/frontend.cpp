//===- frontend.cpp - C and C++ in, an object or IR out -------------------===//

#include "frontend.h"
#include "phases.h"
#include "clang/CodeGen/CodeGenAction.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Frontend/CompilerInvocation.h"
#include "clang/Frontend/TextDiagnosticBuffer.h"
#include "clang/Frontend/TextDiagnosticPrinter.h"
#include "llvm/Support/raw_ostream.h"

using namespace clang;
using namespace llvm;

namespace fromsource {

static std::unique_ptr<CodeGenAction> actionFor(OutputKind Kind) {
  switch (Kind) {
  case OutputKind::Object:
    return std::make_unique<EmitObjAction>();
  case OutputKind::Bitcode:
    return std::make_unique<EmitBCAction>();
  case OutputKind::IR:
    return std::make_unique<EmitLLVMAction>();
  }
  return nullptr;
}

bool compileSource(const Job &What, OutputKind Kind,
                   IntrusiveRefCntPtr<vfs::FileSystem> FS, std::string &Text,
                   PhaseTimes &Times, Bytes &Output) {
  auto Invocation = std::make_shared<CompilerInvocation>(*What.Invocation);
  Phases Clock;
  Clock.watch(Invocation->getCodeGenOpts());
  // As the driver asks for with `-emit-llvm -c`.
  Invocation->getCodeGenOpts().EmitLLVMUseLists = Kind == OutputKind::Bitcode;

  raw_string_ostream Printed(Text);
  auto Kept = std::make_shared<Bytes>();
  bool Succeeded = false;
  {
    CompilerInstance Clang(std::move(Invocation));
    Clang.setVerboseOutputStream(Printed);
    Clang.setVirtualFileSystem(FS);
    Clang.createDiagnostics(
        new TextDiagnosticPrinter(Printed, Clang.getDiagnosticOpts()));
    Clang.setOutputManager(makeIntrusiveRefCnt<MemoryOutput>(Kept));
    What.Early->FlushDiagnostics(Clang.getDiagnostics());
    if (!What.Failed && !Clang.getDiagnostics().hasErrorOccurred())
      Succeeded = Clang.ExecuteAction(*actionFor(Kind));
  }
  Clock.addTo(Times);
  // A compile that failed late can leave a whole object.
  if (Succeeded)
    Output = std::move(*Kept);
  return Succeeded;
}

} // namespace fromsource
