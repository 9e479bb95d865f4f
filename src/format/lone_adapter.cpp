// By names of files in the folder, and by names of tensors: PEFT has MODULE.lora_A.weight, and MODULE.base_layer.weight
// where the model itself was saved with it; MLX and llama.cpp have MODULE.lora_a.
#include "format/lone_adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/file.h"
#include "base/printable.h"
#include "base/python_json.h"
#include "quern/error.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigName = "adapter_config.json";
constexpr std::string_view kModelNames[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                            "pytorch_model.bin.index.json"};
constexpr std::string_view kPeftMarks[] = {".lora_A", ".lora_embedding_A"}, kOtherMarks[] = {".lora_a", ".lora_down"};
constexpr std::string_view kBaseMark = ".base_layer.weight";

struct Described {
  std::string kind = "PEFT", base = "its base";
};

Described describe(const fs::path& config) {
  Described found;
  try {
    const Json json = parse_python_json(read_text(config));
    if (const Json* type = json.find("peft_type"); type && type->is_string()) found.kind = printable(type->as_string());
    if (const Json* name = json.find("base_model_name_or_path"); name && name->is_string())
      found.base = "its base, " + printable(name->as_string());
  } catch (const Error&) {
    // what it is is clear without it
  }
  return found;
}

std::string sentence(const fs::path& path, const fs::path& folder, const char* verb) {
  const Described found = describe(folder / kConfigName);
  return fmt::format("{} {} an adapter ({}) and no model; open {}, and give {} as `adapter`", path.string(), verb,
                     found.kind, found.base, path == folder ? "this folder" : folder.string());
}

std::ptrdiff_t count_with(const Checkpoint& checkpoint, std::span<const std::string_view> marks) {
  return std::ranges::count_if(checkpoint.tensors(), [&](const TensorEntry& tensor) {
    return std::ranges::any_of(marks,
                               [&](std::string_view mark) { return tensor.name.find(mark) != std::string::npos; });
  });
}

}  // namespace

std::string lone_adapter(const fs::path& path) {
  std::error_code ec;
  if (!fs::is_directory(path, ec) || !fs::is_regular_file(path / kConfigName, ec)) return {};
  if (std::ranges::any_of(kModelNames, [&](std::string_view name) { return fs::exists(path / name, ec); })) return {};
  return sentence(path, path, "holds");
}

std::string lone_adapter(const Checkpoint& checkpoint) {
  const fs::path& path = checkpoint.path();
  std::error_code ec;
  if (count_with(checkpoint, kPeftMarks) > count_with(checkpoint, {&kBaseMark, 1})) {
    if (fs::is_directory(path, ec)) return sentence(path, path, "holds");
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    return sentence(path, folder, "is");
  }
  if (count_with(checkpoint, kOtherMarks) == 0) return {};
  return fmt::format(
      "{} is an adapter (LoRA) and no model, in a form that is not merged here; merge it into its base by "
      "the program that made it, and open the result",
      path.string());
}

}  // namespace quern
