/** The one command that installs a compiler on this operating system. */

import { readFile } from 'node:fs/promises';

/** By the `ID` or `ID_LIKE` of /etc/os-release. */
const INSTALL_BY_FAMILY: Readonly<Record<string, string>> = {
  debian: 'sudo apt-get install -y clang',
  ubuntu: 'sudo apt-get install -y clang',
  fedora: 'sudo dnf install -y clang',
  rhel: 'sudo dnf install -y clang',
  centos: 'sudo dnf install -y clang',
  arch: 'sudo pacman -S --needed clang',
  alpine: 'sudo apk add clang musl-dev',
  suse: 'sudo zypper install -y clang',
  opensuse: 'sudo zypper install -y clang',
};

/** Pure: the sentence for a platform and the text of its os-release file. */
export function adviceFor(platform: NodeJS.Platform, osRelease: string): string {
  if (platform === 'darwin') return 'Install one with: xcode-select --install';
  const field = (name: string) => new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(osRelease)?.[1] ?? '';
  const families = `${field('ID')} ${field('ID_LIKE')}`.split(/\s+/);
  const family = families.find((name) => Object.hasOwn(INSTALL_BY_FAMILY, name));
  if (family !== undefined) return `Install one with: ${INSTALL_BY_FAMILY[family]}`;
  return 'Install clang (or gcc) with the package manager of this system, or name one with the option `compiler`.';
}

/** The sentence for this machine. */
export async function installAdvice(): Promise<string> {
  const osRelease = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return adviceFor(process.platform, osRelease);
}
