/** Pure: a snippet and what it sees → the text that is compiled, for each thing that the snippet may be. */

import type { Language } from '../compile/compiler.ts';
import { type Declarator, splitDeclaration } from './split.ts';
import { storeValue, VALUE_TEMPLATES } from './value.ts';

/** The function that runs a snippet. */
export const ENTRY = 'fromsource_evaluate';

/** What a snippet sees. */
export interface SnippetScope {
  readonly language: Language;
  /** What diagnostics call the text before the snippet. */
  readonly wrapper: string;
  /** What `#include` finds the library's source by; null when there is none. */
  readonly source: string | null;
  /** What earlier snippets declared. */
  readonly declared: readonly NamedText[];
}

/** A text to compile. */
export interface SnippetText {
  readonly text: string;
  /** Where in it, in bytes, the library ends and the snippet begins. */
  readonly declaredBefore: number;
}

/** A text with the name that diagnostics give it. */
export interface NamedText {
  readonly name: string;
  readonly text: string;
  /** Whether the `;` behind it may be missing. */
  readonly isUnterminated?: boolean;
}

const line = (name: string): string => `#line 1 "${name}"\n`;

const terminator = ({ isUnterminated = false }: NamedText): string => (isUnterminated ? ';' : '');

function compose(scope: SnippetScope, code: string): SnippetText {
  const { source, declared, wrapper, language } = scope;
  // The declaration ends what a driver keeps parsed: what comes after it differs from snippet to snippet.
  const before = [
    source === null ? '\n' : `#include "${source}"\n`,
    '_Static_assert(1, "");\n',
    ...declared.map(({ name, text }) => `${line(name)}${text}\n`),
    line(wrapper),
    // `x = 5;` is no declaration.
    language === 'c' ? '#pragma clang diagnostic error "-Wimplicit-int"\n' : '',
  ].join('');
  return { text: `${before}${code}\n`, declaredBefore: Buffer.byteLength(before) };
}

function entry({ language }: SnippetScope, body: string): string {
  const linkage = language === 'c++' ? 'extern "C" ' : '';
  return `${linkage}__attribute__((__visibility__("default"))) void ${ENTRY}(void *fromsource_to) {\n${body}\n}`;
}

/** The snippet in its own lines. What follows counts as its next line, where an error is that of its end. */
const inserted = ({ name, text }: NamedText): string => `\n${line(name)}${text}\n`;

/** As an expression, of which the value is asked for. */
export function asExpression(scope: SnippetScope, snippet: NamedText): SnippetText {
  const { language } = scope;
  // In C a bit-field has no type of its own until it is computed with.
  const computed = language === 'c' ? '((void)0, (' : '((';
  const body = `__auto_type fromsource_value = ${computed}${inserted(snippet)}));\n${storeValue(language)}`;
  return compose(scope, `${VALUE_TEMPLATES[language]}\n${entry(scope, body)}`);
}

/** As a statement that is no declaration, which would end with it. */
export const asStatement = (scope: SnippetScope, snippet: NamedText): SnippetText =>
  compose(scope, entry(scope, `if (1)${inserted(snippet)}${terminator(snippet)}`));

/** As definitions and declarations, directives among them, which stay. */
export const asDeclarations = (scope: SnippetScope, snippet: NamedText): SnippetText =>
  compose(
    scope,
    `#pragma GCC visibility push(default)${inserted(snippet)}${terminator(snippet)}\n#pragma GCC visibility pop`,
  );

/**
 * As variables of C that are initialised by what C wants in a function: they are declared, and stored to when the
 * snippet runs. Gives the declaration, which stays, beside the text; null when it can't be read as one.
 */
export function asInitialised(
  scope: SnippetScope,
  snippet: NamedText,
): (SnippetText & { readonly declaration: string }) | null {
  const split = splitDeclaration(snippet.text);
  if (split === null) return null;
  const declaration = `extern ${split.declaration.trim()}`;
  // Where it is kept can be written, also when it is `const`.
  const storage = split.declarators.map(
    ({ name }, index) =>
      // Of an array whose length only its initialiser says there would be one element.
      `_Static_assert(sizeof(${name}) > 0, ""); ` +
      `__typeof_unqual__(${name}) fromsource_storage_${index} __asm__("${name}");`,
  );
  const stores = split.declarators.map(({ name, initialiser }: Declarator, index) =>
    initialiser === null
      ? ''
      : `{ __typeof_unqual__(${name}) fromsource_first = ${initialiser};\n` +
        `__builtin_memcpy(&fromsource_storage_${index}, &fromsource_first, sizeof fromsource_first); }`,
  );
  const code = [
    '#pragma GCC visibility push(default)',
    declaration,
    ...storage,
    '#pragma GCC visibility pop',
    entry(scope, stores.join('\n')),
  ];
  return { ...compose(scope, code.join('\n')), declaration };
}
