//===- frame_scan.h - A look at .eh_frame before JITLink's ------*- C++ -*-===//

#ifndef FROMSOURCE_FRAME_SCAN_H
#define FROMSOURCE_FRAME_SCAN_H

#include "llvm/ADT/ArrayRef.h"

namespace fromsource {

/// Whether the records stay within the section and encode their pointers in
/// ways that JITLink knows: it runs into undefined behaviour on others.
bool framesAreSane(llvm::ArrayRef<char> Section);

} // namespace fromsource

#endif // FROMSOURCE_FRAME_SCAN_H
