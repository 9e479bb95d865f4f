// By names of files in the folder, and by names of tensors: PEFT has MODULE.lora_A.weight, MLX and llama.cpp have
// MODULE.lora_a. A model that was saved with an adapter in it has a matrix of its own for every such module.
#include "format/lone_adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
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
// Parts of names: of the first factor, and of what else an adapter has for a module.
constexpr std::string_view kPeftFactors[] = {"lora_A", "lora_embedding_A"}, kOtherFactors[] = {"lora_a", "lora_down"};
constexpr std::string_view kOwnParts[] = {"lora_B", "lora_embedding_B", "lora_magnitude_vector", "lora_b", "lora_up"};

struct Described {
  std::string kind = "PEFT", base = "its base";
};

Described describe(const fs::path& config) {
  Described found;
  try {
    const Json json = parse_python_json(read_text(config));
    if (const Json* type = json.find("peft_type"); type && type->is_string())
      found.kind = printable_line(type->as_string());
    if (const Json* name = json.find("base_model_name_or_path"); name && name->is_string())
      found.base = "its base, " + printable_line(name->as_string());
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

// Where the part of a name between dots begins that is one of these; npos: none is.
std::size_t find_part(std::string_view name, std::span<const std::string_view> parts) {
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    if (std::ranges::find(parts, name.substr(at, end - at)) != parts.end()) return at;
    at = end + 1;
  }
  return std::string_view::npos;
}

// Whether there are more modules with such factors than matrices of another kind.
bool is_adapter(const Checkpoint& checkpoint, std::span<const std::string_view> factors) {
  std::set<std::string_view> modules;
  std::size_t others = 0;
  for (const TensorEntry& tensor : checkpoint.tensors()) {
    const std::string_view name = tensor.name;
    if (const std::size_t at = find_part(name, factors); at != std::string_view::npos)
      modules.insert(name.substr(0, at));
    else if (tensor.shape.size() > 1 && find_part(name, kOwnParts) == std::string_view::npos)
      ++others;
  }
  return modules.size() > others;
}

}  // namespace

std::string lone_adapter(const fs::path& path) {
  std::error_code ec;
  if (!fs::is_directory(path, ec) || !find_file(path / kConfigName)) return {};
  if (std::ranges::any_of(kModelNames, [&](std::string_view name) { return is_there(path / name); })) return {};
  return sentence(path, path, "holds");
}

std::string lone_adapter(const Checkpoint& checkpoint) {
  const fs::path& path = checkpoint.path();
  std::error_code ec;
  if (is_adapter(checkpoint, kPeftFactors)) {
    if (fs::is_directory(path, ec)) return sentence(path, path, "holds");
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    return sentence(path, folder, "is");
  }
  if (!is_adapter(checkpoint, kOtherFactors)) return {};
  return fmt::format(
      "{} is an adapter (LoRA) and no model, in a form that is not merged here; merge it into its base by "
      "the program that made it, and open the result",
      path.string());
}

}  // namespace quern
