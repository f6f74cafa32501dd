//===- cpu_info.h - What __builtin_cpu_supports reads -----------*- C++ -*-===//

#ifndef FROMSOURCE_CPU_INFO_H
#define FROMSOURCE_CPU_INFO_H

namespace fromsource {

/// Copies of libgcc.a's hidden variables. Compilers address them directly, as
/// every library has its own; so JIT code has these in its slab.
struct CpuInfo {
  /// __cpu_model: vendor, type, subtype, features.
  unsigned Model[4];
  /// __cpu_features2.
  unsigned Features2[3];

  void fill();
};

/// JIT code's __cpu_indicator_init: there is nothing left to do.
int cpuIndicatorInit();

} // namespace fromsource

#endif // FROMSOURCE_CPU_INFO_H
