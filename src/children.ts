/** The compilers and linkers that this thread has started. */

/** What the shell that guards a compiler or linker calls itself. */
export const GUARD_NAME = 'fromsource-run';

/** The children of this thread, of which its own event loop hears. */
export const ownChildren: Set<number> = new Set<number>();

/** It is this thread's, as long as it lives. */
export function trackChild(child: {
  readonly pid?: number | undefined;
  once(event: 'exit', hear: () => void): unknown;
}): void {
  const { pid } = child;
  if (pid === undefined) return;
  ownChildren.add(pid);
  child.once('exit', () => ownChildren.delete(pid));
}
