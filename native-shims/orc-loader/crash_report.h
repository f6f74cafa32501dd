//===- crash_report.h - What a fatal signal says --------------*- C++ -*-===//

#ifndef FROMSOURCE_CRASH_REPORT_H
#define FROMSOURCE_CRASH_REPORT_H

namespace fromsource {

/// Installs the handlers, once, and gives this thread a stack for signals.
void reportCrashes();

} // namespace fromsource

#endif // FROMSOURCE_CRASH_REPORT_H
