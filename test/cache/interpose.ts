/** A library for LD_PRELOAD that makes one call of libc fail, stop the process or kill it, and that shifts the clock. */

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { discoverToolchain } from '../../src/toolchain/discover.ts';

/** What is to happen at a call. */
export interface Fault {
  /** libc's name without 64; `open` also stands for `openat`, `write` for `pwrite` and `writev`. */
  readonly call: 'open' | 'write' | 'fsync' | 'rename' | 'unlink' | 'utimensat' | 'dlopen';
  /** Only calls count whose path, or whose descriptor's, contains this; of a rename either path. */
  readonly path: string;
  /** The call that is meant, from 1; 0 for all. Default 1. */
  readonly nth?: number;
  /** `half`: half of the bytes are written before. Default `before`. */
  readonly when?: 'before' | 'half' | 'after';
  /** `kill` by SIGKILL, `stop` by SIGSTOP until somebody lets it go on; a number is the errno that it fails with. */
  readonly what: 'kill' | 'stop' | number;
}

/**
 * Only the process itself is affected, not those that it starts: the library takes itself out of the environment. libuv
 * and node's own code come by libc for all of these calls.
 */
const SOURCE = String.raw`
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char call[16], when[16], what[16], part[256];
static int nth = -1, seen;
static long shift;

__attribute__((constructor)) static void begin(void) {
  const char *fault = getenv("TEST_FAULT"), *path = getenv("TEST_FAULT_PATH"), *clock = getenv("TEST_CLOCK_SHIFT");
  if (clock) shift = atol(clock);
  if (path) strncpy(part, path, sizeof part - 1);
  if (fault) sscanf(fault, "%15s %d %15s %15s", call, &nth, when, what);
  unsetenv("LD_PRELOAD");
  unsetenv("TEST_FAULT");
  unsetenv("TEST_FAULT_PATH");
  unsetenv("TEST_CLOCK_SHIFT");
}

static int matches(const char *name, const char *path) {
  if (nth < 0 || strcmp(name, call) || !path || !strstr(path, part)) return 0;
  return __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST) == nth || nth == 0;
}

/* Whether the call is to fail with the errno that is set. */
static int strike(void) {
  if (!strcmp(what, "kill")) kill(getpid(), SIGKILL);
  if (!strcmp(what, "stop")) kill(getpid(), SIGSTOP);
  errno = atoi(what);
  return errno != 0;
}

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

#define AROUND(name, path, type, fail, expression) \
  int hit = matches(name, path); \
  if (hit && !strcmp(when, "before") && strike()) return fail; \
  type result = (expression); \
  if (hit && !strcmp(when, "after")) { int kept = errno; strike(); errno = kept; } \
  return result;

static const char *opened(int fd, char *path, size_t size) {
  char link[32];
  if (nth < 0) return NULL;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, size - 1);
  if (length < 0) return NULL;
  path[length] = 0;
  return path;
}

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
    AROUND("open", path, int, -1, REAL(name)(path, flags, mode)) }
OPEN(open)
OPEN(open64)
#define OPENAT(name) \
  int name(int folder, const char *path, int flags, ...) { \
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
    AROUND("open", path, int, -1, REAL(name)(folder, path, flags, mode)) }
OPENAT(openat)
OPENAT(openat64)

static int cut(int hit, size_t *size) {
  if (!hit || strcmp(when, "half")) return 0;
  *size /= 2;
  return 1;
}
#define WRITE(name, parameters, arguments) \
  ssize_t name parameters { \
    char path[4096]; \
    int hit = matches("write", opened(fd, path, sizeof path)); \
    if (hit && !strcmp(when, "before") && strike()) return -1; \
    int half = cut(hit, &size); \
    ssize_t result = REAL(name) arguments; \
    if (half || (hit && !strcmp(when, "after"))) strike(); \
    return result; }
WRITE(write, (int fd, const void *bytes, size_t size), (fd, bytes, size))
WRITE(pwrite64, (int fd, const void *bytes, size_t size, off64_t at), (fd, bytes, size, at))
ssize_t writev(int fd, const struct iovec *parts, int count) {
  char path[4096];
  AROUND("write", opened(fd, path, sizeof path), ssize_t, -1, REAL(writev)(fd, parts, count))
}
int fsync(int fd) {
  char path[4096];
  AROUND("fsync", opened(fd, path, sizeof path), int, -1, REAL(fsync)(fd))
}
int fdatasync(int fd) {
  char path[4096];
  AROUND("fsync", opened(fd, path, sizeof path), int, -1, REAL(fdatasync)(fd))
}
int rename(const char *from, const char *to) {
  AROUND("rename", strstr(to, part) ? to : from, int, -1, REAL(rename)(from, to))
}
int unlink(const char *path) { AROUND("unlink", path, int, -1, REAL(unlink)(path)) }
int utimensat(int folder, const char *path, const struct timespec *times, int flags) {
  AROUND("utimensat", path, int, -1, REAL(utimensat)(folder, path, times, flags))
}
void *dlopen(const char *path, int mode) { AROUND("dlopen", path, void *, NULL, REAL(dlopen)(path, mode)) }

int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = REAL(clock_gettime)(clock, now);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += shift;
  return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  int result = REAL(gettimeofday)(now, zone);
  now->tv_sec += shift;
  return result;
}
time_t time(time_t *now) {
  struct timespec found;
  clock_gettime(CLOCK_REALTIME, &found);
  if (now) *now = found.tv_sec;
  return found.tv_sec;
}
`;

/** Compiles it into the folder; gives what a process's environment needs for a fault. */
export async function buildInterposer(folder: string): Promise<Interposer> {
  const { path: compiler } = await discoverToolchain({ library: 'interpose' });
  const [source, library] = [join(folder, 'interpose.c'), join(folder, 'interpose.so')];
  writeFileSync(source, SOURCE);
  execFileSync(compiler, ['-shared', '-fPIC', '-O1', '-w', '-o', library, source, '-ldl']);
  return {
    fault: ({ call, path, nth = 1, when = 'before', what }) => ({
      LD_PRELOAD: library,
      TEST_FAULT: `${call} ${nth} ${when} ${what}`,
      TEST_FAULT_PATH: path,
    }),
    clock: (seconds) => ({ LD_PRELOAD: library, TEST_CLOCK_SHIFT: String(seconds) }),
  };
}

/** Environments for processes that something befalls. */
export interface Interposer {
  fault(fault: Fault): Record<string, string>;
  /** The wall clock goes wrong by so many seconds; negative: it is late. */
  clock(seconds: number): Record<string, string>;
}
