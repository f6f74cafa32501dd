import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readString, type SourceLibrary } from '../../src/index.ts';
import { describeSamples } from './describe-samples.ts';

describeSamples(['tree-sitter', 'tree-sitter-json'], (load) => {
  let parse: (text: string) => { expression: string; hasError: boolean; nodes: number };
  let end: () => void;

  beforeAll(async () => {
    // Two libraries, side by side: the grammar is data that the parser is given by its address.
    const [core, json] = await Promise.all([load('tree-sitter'), load('tree-sitter-json')]);
    const parser = core.func('TSParser *ts_parser_new(void)')() ?? 0n;
    const language = json.func('const TSLanguage *tree_sitter_json(void)')();
    expect(core.func('bool ts_parser_set_language(TSParser *self, const TSLanguage *language)')(parser, language)).toBe(
      true,
    );
    end = () => core.func('void ts_parser_delete(TSParser *self)')(parser);
    parse = parserOf(core, parser);
  });
  afterAll(() => end?.());

  test('parses JSON into the tree of its grammar', () => {
    expect(parse('[1, "two", {"three": null}]')).toEqual({
      expression:
        '(document (array (number) (string (string_content)) ' +
        '(object (pair key: (string (string_content)) value: (null)))))',
      hasError: false,
      nodes: 21,
    });
  });

  test('finds no error in what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (text) => {
        // Version 0.24.8 of the grammar does not know the plus sign of an exponent.
        expect(parse(text.replaceAll('e+', 'e'))).toMatchObject({ hasError: false });
      }),
      { numRuns: 200 },
    );
  });

  test('keeps the rest of a tree when a part is missing or wrong', () => {
    const missing = parse('{"a": [1, 2}');
    expect(missing.hasError).toBe(true);
    expect(missing.expression).toContain('(array (number) (number) (MISSING "]"))');
    const wrong = parse('[true, oops, false]');
    expect(wrong.hasError).toBe(true);
    expect(wrong.expression).toMatch(/\(true\).*\(ERROR.*\(false\)/);
  });

  test('parses a megabyte', () => {
    const numbers = Array.from({ length: 150_000 }, (_, i) => i);
    const { hasError, nodes } = parse(JSON.stringify(numbers));
    expect(hasError).toBe(false);
    expect(nodes).toBeGreaterThanOrEqual(300_000);
  });
});

function parserOf(core: SourceLibrary, parser: bigint) {
  const parseString = core.func(
    'TSTree *ts_parser_parse_string(TSParser *self, const TSTree *old, const char *text, uint32_t length)',
  );
  const toText = core.func('char *tree_to_string(const TSTree *tree)');
  const hasError = core.func('bool tree_has_error(const TSTree *tree)');
  const nodeCount = core.func('uint32_t tree_node_count(const TSTree *tree)');
  const deleteTree = core.func('void ts_tree_delete(TSTree *tree)');
  const release = core.func('void tree_free(void *memory)');
  return (text: string) => {
    const bytes = Buffer.from(text);
    const tree = parseString(parser, null, bytes, bytes.length);
    const expression = toText(tree) ?? 0n;
    try {
      return { expression: readString(expression), hasError: hasError(tree), nodes: nodeCount(tree) };
    } finally {
      release(expression);
      deleteTree(tree);
    }
  };
}
