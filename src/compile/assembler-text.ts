/** Pure: whether assembly in a source, or in LLVM IR, may have the assembler read a file. */

/** Names of directives have no case; a member of a structure may be called `include`, but takes no string. */
const DIRECTIVE = /\.incbin\b|\.include(?=\s*["\\])/gi;
/** A directive that goes on in another piece, as in `".inc" NAME`; a member `x.inc` is none. */
const BEGUN = /(?<![\w)\]])\.(?:inc(?:bi?|lu?d?)?(?![\w/.-])|(?:in?)?"\s*[A-Za-z_#])/i;
/** One that began in another piece, as in `DOT "incbin"`. */
const ENDED = /[\w)]\s*"(?:i?n?c?bin|i?n?clude|lude)(?=[\s\\])/i;
const PASTED = /\b(?:asm|__asm|__asm__)\b[^;\n]*##/;
/** A parameter of the assembler's own macros in a directive's name. */
const BY_MACRO = /(?<!\w)\.\w*\\+[\w(@]/;
const HAS_MACRO = /\.(?:macro|irpc?)\b/i;
const KEYWORD = /\basm\b|__asm/;
const IN_PIECES = 'assembly in pieces';

/**
 * The directives that a source spells out, and `assembly in pieces` where it may make one of more than one string, of
 * macros, or by the assembler's.
 *
 * @param code - gives the text without its comments
 */
export function assemblerFiles(text: string, code: () => string): string[] {
  const mayBegin = /\.inc/i.test(text);
  if (!mayBegin && !KEYWORD.test(text)) return [];
  const plain = joinStrings(code());
  const found = new Set<string>((plain.match(DIRECTIVE) ?? []).map((word) => word.toLowerCase()));
  const isMade = KEYWORD.test(text)
    ? BEGUN.test(plain) || ENDED.test(plain) || PASTED.test(plain) || isByMacro(plain)
    : /(?<!\w)\.inc(?:bi?|lu?d?)?"/i.test(plain);
  if (found.size === 0 && isMade) found.add(IN_PIECES);
  return [...found];
}

/** The same of an IR text, where each string is whole. */
export function assemblerFilesOfIR(text: string): string[] {
  if (!KEYWORD.test(text)) return [];
  const plain = text.replace(/\\([\da-f]{2})/gi, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16)));
  const found = new Set<string>((plain.match(DIRECTIVE) ?? []).map((word) => word.toLowerCase()));
  if (found.size === 0 && isByMacro(plain)) found.add(IN_PIECES);
  return [...found];
}

const isByMacro = (text: string): boolean => HAS_MACRO.test(text) && BY_MACRO.test(text);

/** With lines that go on joined, escapes undone, and strings that follow each other as one. */
function joinStrings(code: string): string {
  return code
    .replace(/\\\r?\n/g, '')
    .replace(/\\(?:x([\da-f]+)|([0-7]{1,3}))/gi, (_, hex, octal) => {
      const value = hex === undefined ? Number.parseInt(octal, 8) : Number.parseInt(hex, 16);
      return value > 32 && value < 127 ? String.fromCharCode(value) : ' ';
    })
    .replace(/\\[nrtvf]/g, ' ')
    .replace(/"\s*(?:u8|[uUL])?"/g, '');
}
