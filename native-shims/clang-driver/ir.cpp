//===- ir.cpp - LLVM IR as an input ---------------------------------------===//

#include "ir.h"
#include "clang/Basic/TargetOptions.h"
#include "clang/Frontend/CompilerInvocation.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/AutoUpgrade.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/IRReader/IRReader.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Target/TargetMachine.h"

using namespace llvm;

namespace fromsource {

namespace {
/// LLVM's own handler prints, and ends the process at an error.
class Reporter : public DiagnosticHandler {
public:
  explicit Reporter(IRCheck &To) : To(To) {}

  bool handleDiagnostics(const DiagnosticInfo &Info) override {
    if (Info.getSeverity() > DS_Warning)
      return true;
    std::string Message;
    raw_string_ostream Stream(Message);
    DiagnosticPrinterRawOStream Printer(Stream);
    Info.print(Printer);
    bool IsError = Info.getSeverity() == DS_Error;
    To.Text += (IsError ? "error: " : "warning: ") + Message + "\n";
    HadError |= IsError;
    return true;
  }

  bool HadError = false;

private:
  IRCheck &To;
};
} // namespace

/// The verifier prints the reason, and the values it is about below it.
static std::string oneLine(StringRef Reason) {
  SmallVector<StringRef, 8> Lines;
  SplitString(Reason, Lines, "\n");
  std::string Result = Lines.empty() ? "" : Lines[0].trim().str();
  for (size_t I = 1; I < Lines.size(); ++I)
    Result += (I == 1 ? " " : "; ") + Lines[I].trim().str();
  return Result;
}

static bool isValid(const Module &M, IRCheck &To) {
  bool Valid = true;
  for (const Function &F : M) {
    std::string Reason;
    raw_string_ostream Stream(Reason);
    if (!verifyFunction(F, &Stream))
      continue;
    Valid = false;
    To.Text += "error: function '" + F.getName().str() +
               "': " + oneLine(Reason) + "\n";
  }
  std::string Reason;
  raw_string_ostream Stream(Reason);
  if (Valid && verifyModule(M, &Stream)) {
    Valid = false;
    To.Text += "error: module: " + oneLine(Reason) + "\n";
  }
  return Valid;
}

static std::unique_ptr<TargetMachine> machineFor(const Job &What) {
  const clang::TargetOptions &Options = What.Invocation->getTargetOpts();
  Triple Host(Options.Triple);
  std::string Unknown;
  const Target *Found = TargetRegistry::lookupTarget(Host, Unknown);
  if (!Found)
    return nullptr;
  return std::unique_ptr<TargetMachine>(Found->createTargetMachine(
      Host, Options.CPU, join(Options.FeaturesAsWritten, ","), TargetOptions(),
      Reloc::PIC_));
}

/// An empty triple or layout is filled in by clang.
static bool isForThisMachine(const Module &M, const TargetMachine &Machine,
                             IRCheck &To) {
  const Triple &Here = Machine.getTargetTriple();
  const Triple &There = M.getTargetTriple();
  bool IsOther =
      There.getArch() != Here.getArch() ||
      (There.getOS() != Triple::UnknownOS && There.getOS() != Here.getOS()) ||
      There.getObjectFormat() != Here.getObjectFormat() || There.isX32();
  if (!There.empty() && IsOther) {
    To.Text += "error: the module is for " + There.str() + ", not for " +
               Here.str() + "\n";
    return false;
  }
  std::string Layout = Machine.createDataLayout().getStringRepresentation();
  // Text of an older LLVM has the layout of that; only bitcode's is upgraded
  // when it is read.
  if (M.getDataLayoutStr().empty() ||
      UpgradeDataLayoutString(M.getDataLayoutStr(), Here.str()) == Layout)
    return true;
  To.Text += "error: the module's data layout is '" + M.getDataLayoutStr() +
             "', not '" + Layout + "'\n";
  return false;
}

/// Passes that print, or write or open files, instead of changing the module.
static bool onlyTransforms(StringRef Passes, IRCheck &To) {
  SmallVector<StringRef, 16> Names;
  SplitString(Passes, Names, "(),<>; \t\n");
  for (StringRef Name : Names)
    for (StringRef Refused :
         {"print", "dot-", "view-", "write-", "dump", "pgo-", "memprof",
          "sample-profile", "debug-pass", "trigger-", "wasm-", "embed-",
          "insert-gcov", "instrprof"})
      if (Name.starts_with(Refused)) {
        To.Text += "error: passes: '" + Name.str() + "' is not let through\n";
        return false;
      }
  return true;
}

static bool runPasses(Module &M, TargetMachine &Machine, StringRef Passes,
                      IRCheck &To) {
  if (!onlyTransforms(Passes, To))
    return false;
  M.setTargetTriple(Machine.getTargetTriple());
  M.setDataLayout(Machine.createDataLayout());
  PassBuilder Builder(&Machine);
  LoopAnalysisManager Loops;
  FunctionAnalysisManager Functions;
  CGSCCAnalysisManager Components;
  ModuleAnalysisManager Modules;
  Builder.registerModuleAnalyses(Modules);
  Builder.registerCGSCCAnalyses(Components);
  Builder.registerFunctionAnalyses(Functions);
  Builder.registerLoopAnalyses(Loops);
  Builder.crossRegisterProxies(Loops, Functions, Components, Modules);
  ModulePassManager Pipeline;
  if (Error Wrong = Builder.parsePassPipeline(Pipeline, Passes)) {
    To.Text += "error: passes: " + oneLine(toString(std::move(Wrong))) + "\n";
    return false;
  }
  Pipeline.run(M, Modules);
  return isValid(M, To);
}

/// The parser's errors have a place, but not the name of what is around it.
static std::string noteAround(StringRef Input, const SMDiagnostic &Where) {
  StringRef Function;
  for (int Line = 1; Line <= Where.getLineNo() && !Input.empty(); ++Line) {
    StringRef Text;
    std::tie(Text, Input) = Input.split('\n');
    if (Text.starts_with("define "))
      Function = Text.drop_until([](char C) { return C == '@'; })
                     .drop_front()
                     .take_until([](char C) { return C == '('; });
    else if (Text.starts_with("}") && Line < Where.getLineNo())
      Function = "";
  }
  if (Function.empty())
    return "";
  return ("<stdin>:" + Twine(Where.getLineNo()) + ":" +
          Twine(Where.getColumnNo() + 1) + ": note: in function '" +
          Function.trim('"') + "'\n")
      .str();
}

IRCheck checkIR(const Job &What, StringRef Input,
                const std::optional<std::string> &Passes) {
  IRCheck Result;
  LLVMContext Context;
  auto Handler = std::make_unique<Reporter>(Result);
  Reporter &Said = *Handler;
  Context.setDiagnosticHandler(std::move(Handler));
  SMDiagnostic Unreadable;
  // The parser needs a NUL at the end, which the frame does not have.
  auto Terminated = MemoryBuffer::getMemBufferCopy(Input, "<stdin>");
  std::unique_ptr<Module> M = parseIR(*Terminated, Unreadable, Context);
  // clang says the same, when it reads the module again.
  Result.Text.clear();
  Result.IsGood = !M;
  if (!M) {
    Result.Note = noteAround(Input, Unreadable);
    return Result;
  }
  std::unique_ptr<TargetMachine> Machine = machineFor(What);
  if (!Machine) {
    Result.Text = "error: there is no code generator for this target\n";
    return Result;
  }
  if (!isForThisMachine(*M, *Machine, Result) || !isValid(*M, Result))
    return Result;
  if (Passes) {
    if (!runPasses(*M, *Machine, *Passes, Result) || Said.HadError)
      return Result;
    Result.Optimised.emplace();
    raw_svector_ostream Stream(*Result.Optimised);
    WriteBitcodeToFile(*M, Stream, /*ShouldPreserveUseListOrder=*/true);
  }
  Result.IsGood = true;
  return Result;
}

} // namespace fromsource
