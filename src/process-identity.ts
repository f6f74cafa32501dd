/** Which process wrote a name, and whether it still lives. */

import { readlinkSync } from 'node:fs';

let namespace: string | undefined;

/** The number of this process's PID namespace: a container that shares a folder has processes that can't be seen here. */
export function pidNamespace(): string {
  try {
    namespace ??= /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    namespace = '0';
  }
  return namespace;
}

/** Whether a process of this namespace is there; a zombie is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
