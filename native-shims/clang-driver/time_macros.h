//===- time_macros.h - Uses of the time of day ------------------*- C++ -*-===//

#ifndef FROMSOURCE_TIME_MACROS_H
#define FROMSOURCE_TIME_MACROS_H

#include <memory>
#include <set>
#include <string>

namespace clang {
class PPCallbacks;
}

namespace fromsource {

/// Notes `__DATE__`, `__TIME__` and `__TIMESTAMP__` when clang's own macro of
/// that name is replaced by its value: not where it is only mentioned, skipped,
/// or asked about, and not one that the source has defined itself. To be added
/// to a preprocessor, which `To` must outlive.
std::unique_ptr<clang::PPCallbacks> noteTimeMacros(std::set<std::string> &To);

} // namespace fromsource

#endif // FROMSOURCE_TIME_MACROS_H
