/** Pure: what is asked of a snippet's object, and done to it, before it is linked to the library. */

import { readSections, readSymbols } from '../elf.ts';
import { LinkError } from '../errors.ts';

const SHT_RELA = 4;
const SHF_ALLOC = 2n;
const SHF_EXECINSTR = 4n;
const SHF_MERGE = 0x10n;
const SHF_STRINGS = 0x20n;
const STB_LOCAL = 0;
const STB_GLOBAL = 1;
const SHN_COMMON = 0xfff2;
/** Virtual tables, and what identifies types. */
const CLASS_TABLE = /^_ZT[VTIS]/;
/** `call` and `jmp`, which take no address. */
const R_X86_64_PLT32 = 4;

/** How the compiler marks what is static in a living library, see native-shims/clang-driver/declared_only.h. */
const STATIC = 'fromsource.static:';

/**
 * A copy of a snippet's object that uses what the library, or an earlier snippet, has: inline functions, template
 * instances, class tables and common variables, such as the locks of OpenMP, that it has a copy of, too.
 *
 * @throws LinkError for the use of what is static there, and for a second definition.
 */
export function bindToLibrary(library: string, object: Uint8Array, live: ReadonlyMap<string, unknown>): Uint8Array {
  const copy = new Uint8Array(object);
  const statics = new Set<string>();
  for (const { at, name, binding, section } of readSymbols(object, 'static')) {
    if (binding === STB_LOCAL) continue;
    if (section === 0 && name.startsWith(STATIC)) statics.add(name.slice(STATIC.length));
    if (section === 0 || !live.has(name)) continue;
    if (binding === STB_GLOBAL && section !== SHN_COMMON && !CLASS_TABLE.test(name)) {
      const message = `${library}: \`${name}\` is defined already; take another name, or only declare it`;
      throw new LinkError(library, message, []);
    }
    // All behind the name: binding and type, visibility, section, value, size.
    copy.fill(0, at + 4, at + 24);
    copy[at + 4] = STB_GLOBAL << 4;
  }
  if (statics.size === 0) return copy;
  const names = [...statics].sort();
  const shown = names.map((name) => `\`${name}\``).join(', ');
  const message =
    `${library}: a snippet can't reach ${shown}: it is static and keeps state, of which the snippet would have a ` +
    'copy of its own. Remove `static`, or call a function that uses it';
  throw new LinkError(library, message, names);
}

/**
 * Whether code of an object takes the address of something that is in it: a text, a table, a function that it does not
 * only call. The address may have gone where it is used later. Throws RangeError for a damaged table.
 */
export function takesOwnAddresses(object: Uint8Array): boolean {
  const sections = readSections(object);
  const symbols = [...readSymbols(object, 'static')];
  const view = new DataView(object.buffer, object.byteOffset, object.byteLength);
  const has = (section: number, flag: bigint): boolean => (BigInt(sections[section]?.flags ?? 0) & flag) !== 0n;
  const isReferable = (section: number): boolean => {
    if (!has(section, SHF_ALLOC)) return false;
    // Numbers that instructions load.
    return !has(section, SHF_MERGE) || has(section, SHF_STRINGS);
  };
  for (const { type, offset, size, info } of sections) {
    if (type !== SHT_RELA || !has(info, SHF_EXECINSTR)) continue;
    for (let at = offset; at < offset + size; at += 24) {
      const symbol = symbols[view.getUint32(at + 12, true)];
      if (view.getUint32(at + 8, true) !== R_X86_64_PLT32 && isReferable(symbol?.section ?? 0)) return true;
    }
  }
  return false;
}
