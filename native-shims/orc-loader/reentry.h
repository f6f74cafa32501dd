//===- reentry.h - From JIT code into the shim and back ---------*- C++ -*-===//

#ifndef FROMSOURCE_REENTRY_H
#define FROMSOURCE_REENTRY_H

#include <cstdint>
#include <string>

namespace fromsource {
struct Stub;
}

/// What a stub without a definition jumps to, with the stub in r11 and all else
/// as at the entry of the function.
extern "C" void fs_stub_reenter();

namespace fromsource {

/// The caller's module, that is the one with the code that calls into JIT code
/// on behalf of JavaScript: unwinding ends where it begins.
void setBoundary(const void *AddressInModule);

/// What an unwinding was for, if the last call from JavaScript on this thread
/// ended with one; empty otherwise. Once.
std::string takeEscape();

/// Of this thread: how many calls ended with one.
const uint32_t *escapeCount();

} // namespace fromsource

#endif // FROMSOURCE_REENTRY_H
