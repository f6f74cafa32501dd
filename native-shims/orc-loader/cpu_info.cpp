//===- cpu_info.cpp - What __builtin_cpu_supports reads -------------------===//

#include "cpu_info.h"
#include <cstring>

extern "C" {
__attribute__((visibility("hidden"))) extern unsigned __cpu_model[4];
__attribute__((visibility("hidden"))) extern unsigned __cpu_features2[3];
}

namespace fromsource {

void CpuInfo::fill() {
  // libgcc's own constructor has run; asking again would cost 45 us where a
  // hypervisor traps the instruction.
  memcpy(Model, __cpu_model, sizeof(Model));
  memcpy(Features2, __cpu_features2, sizeof(Features2));
}

int cpuIndicatorInit() { return 0; }

} // namespace fromsource
