//===- frames.h - Unwind information of JIT code ----------------*- C++ -*-===//

#ifndef FROMSOURCE_FRAMES_H
#define FROMSOURCE_FRAMES_H

namespace fromsource {

/// Tells the process's unwinders of a section .eh_frame that ends with a zero.
/// libc++ brings LLVM's, which the next sections are told to once it is there.
void registerFrames(void *EhFrame);
void deregisterFrames(void *EhFrame);

} // namespace fromsource

#endif // FROMSOURCE_FRAMES_H
