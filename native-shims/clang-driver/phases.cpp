//===- phases.cpp - How long each part of a compile took ------------------===//

#include "phases.h"
#include "clang/Basic/CodeGenOptions.h"
#include "llvm/Passes/PassBuilder.h"

using namespace llvm;
using Clock = std::chrono::steady_clock;

namespace fromsource {

namespace {
struct MarkPass : PassInfoMixin<MarkPass> {
  std::function<void()> Mark;

  explicit MarkPass(std::function<void()> Mark) : Mark(std::move(Mark)) {}
  PreservedAnalyses run(Module &, ModuleAnalysisManager &) {
    Mark();
    return PreservedAnalyses::all();
  }
  static bool isRequired() { return true; }
};
} // namespace

Phases::Phases() : Start(Clock::now()), Seen(std::make_shared<Marks>()) {}

void Phases::watch(clang::CodeGenOptions &Options) {
  Options.PassBuilderCallbacks.push_back([Seen = Seen](PassBuilder &Builder) {
    Seen->Optimising = Clock::now();
    Builder.registerOptimizerLastEPCallback([Seen](ModulePassManager &Passes,
                                                   OptimizationLevel,
                                                   ThinOrFullLTOPhase) {
      Passes.addPass(MarkPass([Seen] { Seen->Optimised = Clock::now(); }));
    });
  });
}

void Phases::addTo(PhaseTimes &Times) const {
  auto Milliseconds = [](Clock::duration D) {
    return std::chrono::duration<double, std::milli>(D).count();
  };
  Time End = Clock::now();
  // An error in the source: there was no pipeline.
  Time Optimising = Seen->Optimising == Time() ? End : Seen->Optimising;
  Time Optimised = Seen->Optimised == Time() ? Optimising : Seen->Optimised;
  Times.Frontend += Milliseconds(Optimising - Start);
  Times.Optimise += Milliseconds(Optimised - Optimising);
  Times.Codegen += Milliseconds(End - Optimised);
}

} // namespace fromsource
