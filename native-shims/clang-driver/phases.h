//===- phases.h - How long each part of a compile took ----------*- C++ -*-===//

#ifndef FROMSOURCE_PHASES_H
#define FROMSOURCE_PHASES_H

#include "protocol.h"
#include <chrono>
#include <memory>

namespace clang {
class CodeGenOptions;
}

namespace fromsource {

/// Splits the time of a compile at two places: where clang makes the pipeline
/// of passes, and at the end of that pipeline. Both are one call for a module;
/// clang's own timers are global and would stay on.
class Phases {
public:
  Phases();

  /// Must be called before the compile, and not be moved until its end.
  void watch(clang::CodeGenOptions &Options);

  /// Call at the end of the compile. What clang does after the last pass that
  /// a target or an option adds counts as code generation.
  void addTo(PhaseTimes &Times) const;

private:
  using Time = std::chrono::steady_clock::time_point;
  struct Marks {
    Time Optimising, Optimised;
  };
  Time Start;
  std::shared_ptr<Marks> Seen;
};

} // namespace fromsource

#endif // FROMSOURCE_PHASES_H
