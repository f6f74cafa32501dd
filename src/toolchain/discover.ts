/** Finds what can compile on this machine. */

export type ToolchainKind = 'clang' | 'gcc';

export interface Toolchain {
  readonly kind: ToolchainKind;
  /** Absolute path of the compiler driver. */
  readonly path: string;
  /** As the compiler prints it, such as `22.1.8`. */
  readonly version: string;
  readonly major: number;
  /** The target triple, such as `x86_64-pc-linux-gnu`. */
  readonly target: string;
}
