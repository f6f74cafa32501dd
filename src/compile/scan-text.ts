/** Pure: what a source text makes a preprocessor look for, as far as it can be seen without preprocessing. */

import { assemblerFiles } from './assembler-text.ts';
import { stripComments } from './comments.ts';

/** A file name that the text asks for. */
export interface AskedName {
  readonly name: string;
  /** In quotes, so that the folder of the text is searched first. */
  readonly isQuoted: boolean;
  /** `__has_include` and its like: the answer may be no. */
  readonly isProbe: boolean;
}

/** What was seen in one text, whether a condition takes it out or not. */
export interface TextScan {
  readonly names: readonly AskedName[];
  /** Whether an `#include` names its file by a macro. */
  readonly hasMacroInclude: boolean;
  /** Whether a macro is defined with `..` in it, so that a name made of macros may go up. */
  readonly climbs: boolean;
  /** What can't be recorded, such as `__DATE__`. */
  readonly volatile: readonly string[];
}

const KEYWORDS = ['include', 'import', 'embed'];
/** Before the keyword of a directive; a comment may stand between the two. */
const DIRECTIVE = /(?:#|%:|\?\?=|\*\/)(?:[ \t\f\v]|\\\r?\n)*$/;
const GAP = String.raw`(?:[ \t\f\v]|\\\r?\n|/\*[\s\S]*?\*/)*`;
const LITERAL = String.raw`(?:<((?:[^>\\\n]|\\\r?\n|\\)+)>|"((?:[^"\\\n]|\\\r?\n|\\)+)")`;
const OPERAND = new RegExp(`^(?:_next|_macros)?(?!\\w)${GAP}${LITERAL}`);
const PROBE = new RegExp(`^__has_(?:include(?:_next)?|embed)${GAP}\\(${GAP}${LITERAL}`);
const MACRO_OPERAND = /(?:#|%:|\?\?=)\s*(?:include(?:_next)?|import|embed)\b\s*(?![<"\s])/;
/** All uses of the operators; those with a group are harmless or have been read already. */
const PROBES =
  /((?:\bdefined\s*\(?|#\s*(?:if|elif)n?def|#\s*(?:undef|define))\s*)?\b__has_(?:include(?:_next)?|embed)\b(\s*\(\s*[<"])?/g;
const DOTS = /(?<!\.)\.\.(?!\.)/;
const DOTS_OF_MACRO = /(?:#|%:|\?\?=)[ \t]*define\b(?:[^\n\\]|\\\r?\n|\\)*?(?<!\.)\.\.(?!\.)/;
const CLOCK_WORD = /(?<![\w$])__(?:DATE|TIME|TIMESTAMP)__(?![\w$])/g;
const REACH = 1024;

/** Never throws. Reads the text as bytes, whatever its encoding; takes about 1 ms per MB. */
export function scanText(bytes: Uint8Array): TextScan {
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const text = joinSplitWords(raw);
  let stripped: string | undefined;
  // Most texts need no look at where their comments are.
  const code = () => {
    stripped ??= stripComments(text);
    return stripped;
  };
  const { names, hasOther } = readDirectives(text);
  const hasMacroInclude = hasOther && MACRO_OPERAND.test(code());
  const probes = readProbes(text);
  const volatile = new Set<string>();
  if (probes.hasOther) {
    for (const [, harmless, literal] of code().matchAll(PROBES)) {
      if (harmless === undefined && literal === undefined) volatile.add('__has_include of a macro');
    }
  }
  if (/__(?:DATE|TIME|TIMESTAMP)__/.test(text)) for (const [word] of code().matchAll(CLOCK_WORD)) volatile.add(word);
  for (const word of assemblerFiles(text, code)) volatile.add(word);
  const climbs = DOTS.test(text) && DOTS_OF_MACRO.test(code());
  const asked = [...names, ...probes.names].filter(({ name }) => !name.includes('\0'));
  return { names: asked, hasMacroInclude, climbs, volatile: [...volatile] };
}

function readDirectives(text: string): { names: AskedName[]; hasOther: boolean } {
  const names: AskedName[] = [];
  let hasOther = false;
  for (const keyword of KEYWORDS) {
    for (let at = text.indexOf(keyword); at >= 0; at = text.indexOf(keyword, at + 1)) {
      if (!DIRECTIVE.test(text.slice(Math.max(at - 64, 0), at))) continue;
      const behind = text.slice(at + keyword.length, at + keyword.length + REACH);
      const operand = OPERAND.exec(behind);
      if (operand === null) hasOther = true;
      else names.push(readName(operand, false));
    }
  }
  return { names, hasOther };
}

function readProbes(text: string): { names: AskedName[]; hasOther: boolean } {
  const names: AskedName[] = [];
  let hasOther = false;
  for (let at = text.indexOf('__has_'); at >= 0; at = text.indexOf('__has_', at + 6)) {
    const use = text.slice(at, at + REACH);
    if (!/^__has_(?:include|embed)/.test(use)) continue;
    const operand = PROBE.exec(use);
    if (operand === null) hasOther = true;
    else names.push(readName(operand, true));
  }
  return { names, hasOther };
}

function readName([, angled, quoted]: RegExpExecArray, isProbe: boolean): AskedName {
  const spelled = (angled ?? quoted ?? '').replace(/\\\r?\n/g, '');
  return { name: Buffer.from(spelled, 'latin1').toString('utf8'), isQuoted: quoted !== undefined, isProbe };
}

/** A backslash at the end of a line may split a word; that is the only place where it stands in the way of a search. */
function joinSplitWords(text: string): string {
  for (let at = text.indexOf('\\\n'); at >= 0; at = text.indexOf('\\\n', at + 2)) {
    if (/^\w\\\n\w/.test(text.slice(at - 1, at + 3))) return text.replace(/\\\n/g, '');
  }
  return text.includes('\\\r\n') ? text.replace(/\\\r\n/g, '') : text;
}
