/** Pure: the text files that stand in for a library, such as `libc.so` and `libncurses.so`. */

/** What a script names: a path, a file to be searched for, or a name as `-l` takes it. */
export type ScriptItem = { readonly path: string } | { readonly file: string } | { readonly name: string };

/** The libraries of `GROUP` and `INPUT`, in order, those `AS_NEEDED` too; null for a text that has neither. */
export function readLinkerScript(text: string): ScriptItem[] | null {
  const plain = text.replace(/\/\*[\s\S]*?\*\//g, ' ');
  if (!/\b(?:GROUP|INPUT)\s*\(/.test(plain)) return null;
  const items: ScriptItem[] = [];
  let depth = 0;
  let isList = false;
  for (const [word] of plain.matchAll(/[()]|"[^"]*"|[^\s(),"]+/g)) {
    if (word === '(') depth += 1;
    else if (word === ')') {
      depth -= 1;
      if (depth === 0) isList = false;
    } else if (depth === 0) isList = word === 'GROUP' || word === 'INPUT';
    else if (isList && word !== 'AS_NEEDED') items.push(itemOf(word.replace(/^"(.*)"$/, '$1')));
  }
  return items;
}

function itemOf(word: string): ScriptItem {
  if (word.startsWith('-l')) return { name: word.slice(2) };
  return word.startsWith('/') ? { path: word } : { file: word };
}
