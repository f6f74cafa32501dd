import { beforeAll, expect, test } from 'vitest';
import type { SourceLibrary } from '../../src/index.ts';
import { describeSamples } from './describe-samples.ts';

const TEXT = 'Text of ten';

function bindings(imgui: SourceLibrary) {
  return {
    version: imgui.func('const char *ui_version(void)'),
    liveBlocks: imgui.func('int64_t ui_live_blocks(void)'),
    current: imgui.func('ImGuiContext *ui_current(void)'),
    create: imgui.func('ImGuiContext *ui_create(float width, float height)'),
    fontAtlas: imgui.func('void ui_font_atlas(ImGuiContext *context, int32_t *out)'),
    frame: imgui.func(
      'void ui_frame(ImGuiContext *context, const char *text, int32_t buttons, float x, float y, bool down, Drawn *out)',
    ),
    destroy: imgui.func('void ui_destroy(ImGuiContext *context)'),
  };
}
type ImGui = ReturnType<typeof bindings>;

interface Mouse {
  readonly x: number;
  readonly y: number;
  readonly down: boolean;
}
const AWAY: Mouse = { x: -1, y: -1, down: false };

/** Draws a frame, whose lists must agree with what ImGui says of them. */
function frame(ui: ImGui, context: bigint, text: string, buttons: number, { x, y, down }: Mouse = AWAY) {
  const memory = new ArrayBuffer(44);
  ui.frame(context, text, buttons, x, y, down, new Uint8Array(memory));
  const [lists, commands, vertices, foundVertices, indices, foundIndices, strays, outside, pressed] = new Int32Array(
    memory,
  ) as unknown as number[];
  expect({ vertices: foundVertices, indices: foundIndices, strays, outside }).toEqual({
    vertices,
    indices,
    strays: 0,
    outside: 0,
  });
  const [buttonX = 0, buttonY = 0] = new Float32Array(memory, 36);
  return { lists, commands, vertices: vertices as number, indices: indices as number, pressed, buttonX, buttonY };
}

/** The window's third frame: its place is settled by then. */
function settled(ui: ImGui, context: bigint, text: string, buttons: number) {
  frame(ui, context, text, buttons);
  frame(ui, context, text, buttons);
  return frame(ui, context, text, buttons);
}

describeSamples(['imgui'], (load) => {
  let ui: ImGui;
  beforeAll(async () => {
    ui = bindings(await load('imgui'));
  });

  function withContext(use: (context: bigint) => void): void {
    const context = ui.create(800, 600) ?? 0n;
    expect(context).not.toBe(0n);
    ui.fontAtlas(context, new Int32Array(3));
    try {
      use(context);
    } finally {
      ui.destroy(context);
      expect(ui.liveBlocks()).toBe(0);
    }
  }

  test('says its version', () => {
    expect(ui.version()).toBe('1.86');
  });

  test('builds the atlas of its font', () => {
    const context = ui.create(800, 600) ?? 0n;
    const atlas = new Int32Array(3);
    ui.fontAtlas(context, atlas);
    const [width = 0, height = 0, lit = 0] = atlas;
    expect(Math.log2(width) % 1).toBe(0);
    expect(Math.log2(height) % 1).toBe(0);
    // 191 glyphs, and lines of all widths.
    expect(lit / (width * height)).toBeGreaterThan(0.1);
    expect(lit / (width * height)).toBeLessThan(0.9);
    ui.destroy(context);
    expect(ui.liveBlocks()).toBe(0);
  });

  test('draws four vertices and six indices for each letter and each button', () => {
    withContext((context) => {
      const empty = settled(ui, context, '', 0);
      expect(empty.lists).toBe(1);
      expect(empty.vertices).toBeGreaterThan(0);
      const letters = TEXT.replaceAll(' ', '').length;
      const text = settled(ui, context, TEXT, 0);
      expect(text.vertices - empty.vertices).toBe(4 * letters);
      expect(text.indices - empty.indices).toBe(6 * letters);
      const quads = 5 * (1 + 'Button'.length);
      const all = settled(ui, context, TEXT, 5);
      expect(all.vertices - text.vertices).toBe(4 * quads);
      expect(all.indices - text.indices).toBe(6 * quads);
    });
  });

  test('presses the button that the mouse is on', () => {
    withContext((context) => {
      const { buttonX: x, buttonY: y, pressed } = settled(ui, context, TEXT, 3);
      expect(pressed).toBe(-1);
      expect(frame(ui, context, TEXT, 3, { x, y, down: false }).pressed).toBe(-1);
      expect(frame(ui, context, TEXT, 3, { x, y, down: true }).pressed).toBe(-1);
      expect(frame(ui, context, TEXT, 3, { x, y, down: false }).pressed).toBe(2);
      expect(frame(ui, context, TEXT, 3, { x, y, down: false }).pressed).toBe(-1);
    });
  });

  test('keeps two contexts apart', () => {
    withContext((first) => {
      const second = ui.create(800, 600) ?? 0n;
      ui.fontAtlas(second, new Int32Array(3));
      const one = settled(ui, first, TEXT, 1);
      const two = settled(ui, second, TEXT, 2);
      expect(two.vertices - one.vertices).toBe(4 * 7);
      expect(frame(ui, first, TEXT, 1).vertices).toBe(one.vertices);
      ui.destroy(second);
    });
  });

  test('is there twice, each with statics of its own', async () => {
    const other = bindings(await load('imgui', '-again'));
    const [here, there] = [ui.create(800, 600) ?? 0n, other.create(800, 600) ?? 0n];
    ui.fontAtlas(here, new Int32Array(3));
    other.fontAtlas(there, new Int32Array(3));
    const drawn = settled(ui, here, TEXT, 4);
    expect(settled(other, there, TEXT, 4)).toEqual(drawn);
    expect([ui.current(), other.current()]).toEqual([here, there]);
    ui.destroy(here);
    expect([ui.liveBlocks(), ui.current(), other.current()]).toEqual([0, null, there]);
    expect(frame(other, there, TEXT, 4).vertices).toBe(drawn.vertices);
    other.destroy(there);
    expect(other.liveBlocks()).toBe(0);
  });
});
