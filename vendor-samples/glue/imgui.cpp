// A window of Dear ImGui, drawn without a screen. Its API is C++ and passes
// structures by value; this has what can be called from JavaScript.

#include <cstdint>
#include <cstdlib>
#include <imgui.h>

namespace {

// Blocks that ImGui has, of all contexts.
int64_t live_blocks = 0;

void *allocate(size_t size, void *) {
  ++live_blocks;
  return std::malloc(size);
}

void release(void *block, void *) {
  if (block != nullptr)
    --live_blocks;
  std::free(block);
}

} // namespace

// What a frame drew; `*_found` is counted in the lists themselves, which must
// agree with ImGui's totals.
struct Drawn {
  int32_t lists, commands;
  int32_t vertices, vertices_found;
  int32_t indices, indices_found;
  // Indices that point to no vertex of their list, and vertices that lie
  // outside the window.
  int32_t strays, outside;
  int32_t pressed;
  float button_x, button_y;
};

extern "C" {

int64_t ui_live_blocks(void) { return live_blocks; }
const char *ui_version(void) { return ImGui::GetVersion(); }
ImGuiContext *ui_current(void) { return ImGui::GetCurrentContext(); }

ImGuiContext *ui_create(float width, float height) {
  ImGui::SetAllocatorFunctions(allocate, release);
  if (!IMGUI_CHECKVERSION())
    return nullptr;
  ImGuiContext *before = ImGui::GetCurrentContext();
  ImGuiContext *context = ImGui::CreateContext();
  ImGui::SetCurrentContext(context);
  ImGuiIO &io = ImGui::GetIO();
  io.IniFilename = nullptr;
  io.DisplaySize = ImVec2(width, height);
  io.DeltaTime = 1.0f / 60.0f;
  ImGui::SetCurrentContext(before);
  return context;
}

// Builds the atlas of the font that ImGui carries. Writes width, height, and
// how many of its pixels are not empty.
void ui_font_atlas(ImGuiContext *context, int32_t *out) {
  ImGui::SetCurrentContext(context);
  unsigned char *pixels;
  int width, height, lit = 0;
  ImGui::GetIO().Fonts->GetTexDataAsAlpha8(&pixels, &width, &height);
  for (int i = 0; i < width * height; i++)
    lit += pixels[i] != 0;
  out[0] = width;
  out[1] = height;
  out[2] = lit;
}

// One frame: a window with a text and as many buttons, named Button 0 and so
// on. `pressed` is the one that was, or -1.
void ui_frame(ImGuiContext *context, const char *text, int32_t buttons,
              float mouse_x, float mouse_y, bool mouse_down, Drawn *out) {
  ImGui::SetCurrentContext(context);
  ImGuiIO &io = ImGui::GetIO();
  io.MousePos = ImVec2(mouse_x, mouse_y);
  io.MouseDown[0] = mouse_down;
  *out = Drawn{};
  out->pressed = -1;

  ImGui::NewFrame();
  const ImVec2 from(10, 20), size(300, 400);
  ImGui::SetNextWindowPos(from);
  ImGui::SetNextWindowSize(size);
  ImGui::Begin("Window", nullptr, ImGuiWindowFlags_NoSavedSettings);
  ImGui::TextUnformatted(text);
  for (int n = 0; n < buttons; n++) {
    ImGui::PushID(n);
    if (ImGui::Button("Button"))
      out->pressed = n;
    ImGui::PopID();
    const ImVec2 least = ImGui::GetItemRectMin(),
                 most = ImGui::GetItemRectMax();
    out->button_x = (least.x + most.x) / 2;
    out->button_y = (least.y + most.y) / 2;
  }
  ImGui::End();
  ImGui::Render();

  const ImDrawData *data = ImGui::GetDrawData();
  out->lists = data->CmdListsCount;
  out->vertices = data->TotalVtxCount;
  out->indices = data->TotalIdxCount;
  for (int n = 0; n < data->CmdListsCount; n++) {
    const ImDrawList *list = data->CmdLists[n];
    out->commands += list->CmdBuffer.Size;
    out->vertices_found += list->VtxBuffer.Size;
    for (const ImDrawCmd &command : list->CmdBuffer) {
      for (unsigned i = 0; i < command.ElemCount; i++) {
        const unsigned vertex =
            command.VtxOffset + list->IdxBuffer[command.IdxOffset + i];
        out->strays += vertex >= static_cast<unsigned>(list->VtxBuffer.Size);
      }
      out->indices_found += command.ElemCount;
    }
    for (const ImDrawVert &vertex : list->VtxBuffer) {
      const ImVec2 at(vertex.pos.x - from.x, vertex.pos.y - from.y);
      // Edges are softened by half a pixel on either side; pointed corners
      // reach out further.
      out->outside +=
          at.x < -2 || at.y < -2 || at.x > size.x + 2 || at.y > size.y + 2;
    }
  }
}

void ui_destroy(ImGuiContext *context) { ImGui::DestroyContext(context); }

} // extern "C"
