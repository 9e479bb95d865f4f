// The table of architectures, and how a checkpoint finds its row.
#include <vector>

#include "base/names.h"
#include "model/llama.h"
#include "quern/error.h"

namespace quern {
namespace {

constexpr const Architecture* kArchitectures[] = {
    &kLlama,
};

std::string known_names() {
  std::string text;
  for (const Architecture* row : kArchitectures) text += (text.empty() ? "" : ", ") + std::string(row->name);
  return text;
}

// What the checkpoint calls itself.
std::string claimed(const Checkpoint& checkpoint) {
  if (checkpoint.metadata().find("general.type") && checkpoint.metadata().text("general.type") == "imatrix")
    return "general.type \"imatrix\", which makes it an importance matrix and no model";
  if (const MetaValue* value = checkpoint.metadata().find("general.architecture")) {
    const auto* text = std::get_if<std::string>(value);
    return fmt::format("general.architecture {}", text ? "\"" + *text + "\"" : "that is not a text");
  }
  const Json& config = checkpoint.config();
  if (config.is_null()) return "neither a config.json nor a general.architecture";
  std::string text;
  for (const char* key : {"architectures", "model_type"}) {
    if (const Json* value = config.find(key))
      text += fmt::format("{}{} {}", text.empty() ? "" : " and ", key, dump_json(*value));
  }
  return text.empty() ? "a config.json without architectures and model_type" : text;
}

}  // namespace

std::span<const Architecture* const> architectures() { return kArchitectures; }

const Architecture& find_architecture(std::string_view name) {
  std::vector<std::string> known;
  for (const Architecture* row : kArchitectures) {
    if (name == row->name) return *row;
    known.emplace_back(row->name);
  }
  fail(ErrorCode::kUsage, "there is no architecture \"{}\"; did you mean {}?", name, nearest_names(name, known));
}

ModelSpec describe_model(const Checkpoint& checkpoint) {
  return with_context("while describing " + checkpoint.path().string(), [&] {
    for (const Architecture* row : kArchitectures) {
      if (row->recognises(checkpoint)) return row->describe(checkpoint);
    }
    fail(ErrorCode::kInput, "no known architecture: the checkpoint has {}; known are: {}", claimed(checkpoint),
         known_names());
  });
}

ExportMap map_to_gguf(const ModelSpec& spec, const Checkpoint& checkpoint) {
  return with_context("while mapping " + checkpoint.path().string() + " to GGUF",
                      [&] { return find_architecture(spec.architecture).to_gguf(spec, checkpoint); });
}

}  // namespace quern
