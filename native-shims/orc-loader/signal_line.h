//===- signal_line.h - Text from within a signal handler -------*- C++ -*-===//

#ifndef FROMSOURCE_SIGNAL_LINE_H
#define FROMSOURCE_SIGNAL_LINE_H

#include <cstddef>
#include <cstdint>
#include <unistd.h>

namespace fromsource {

/// A line, written at once so that those of other threads don't mix with it.
class Line {
public:
  ~Line() {
    Buffer[Used++] = '\n';
    size_t Done = 0;
    while (Done < Used) {
      ssize_t Wrote = write(STDERR_FILENO, Buffer + Done, Used - Done);
      if (Wrote <= 0)
        return;
      Done += Wrote;
    }
  }
  Line &text(const char *S) {
    while (*S && Used < sizeof(Buffer) - 1)
      Buffer[Used++] = *S++;
    return *this;
  }
  Line &number(uint64_t Value, unsigned Base) {
    char Digits[24];
    size_t At = sizeof(Digits) - 1;
    Digits[At] = 0;
    do {
      Digits[--At] = "0123456789abcdef"[Value % Base];
      Value /= Base;
    } while (Value);
    return text(Digits + At);
  }
  Line &hex(uint64_t Value) { return text("0x").number(Value, 16); }

private:
  char Buffer[1024];
  size_t Used = 0;
};

} // namespace fromsource

#endif // FROMSOURCE_SIGNAL_LINE_H
