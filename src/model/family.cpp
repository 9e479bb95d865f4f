// Small questions that every family asks of a checkpoint.
#include "model/family.h"

#include <algorithm>

#include "base/fail.h"

namespace quern {
int find_class(const Checkpoint& checkpoint, std::span<const TransformersClass> classes) {
  const Json* names = checkpoint.config().find("architectures");
  const Json* type = checkpoint.config().find("model_type");
  const bool named = names && names->is_array() && !names->as_array().empty();
  for (std::size_t i = 0; i < classes.size(); ++i)
    if (named ? names->as_array().front() == Json(classes[i].architecture)
              : type && *type == Json(classes[i].model_type))
      return static_cast<int>(i);
  return -1;
}

bool is_gguf_of(const Checkpoint& checkpoint, std::string_view name) {
  return with_context("while reading " + checkpoint.path().string(),
                      [&] { return checkpoint.metadata().text("general.architecture") == name; });
}

bool has_suffixes(const Checkpoint& checkpoint, std::initializer_list<std::string_view> suffixes) {
  return std::ranges::all_of(suffixes, [&](std::string_view suffix) {
    return std::ranges::any_of(checkpoint.tensors(), [&](const TensorEntry& e) { return e.name.ends_with(suffix); });
  });
}

Metadata general_metadata(std::string_view architecture) {
  Metadata out;
  out.set("general.architecture", std::string(architecture));
  return out;
}

Metadata copied_metadata(const Metadata& source, std::string_view prefix) {
  constexpr const char* kPlaces[] = {"general.", "tokenizer."};
  constexpr const char* kOfTheFile[] = {"general.alignment", "general.file_type", "general.quantization_version",
                                        "general.quantized_by"};
  Metadata out;
  for (const auto& [key, value] : source.pairs()) {
    const auto leads = [&](const char* place) { return key.starts_with(place); };
    const bool carried = key.starts_with(prefix) || std::ranges::any_of(kPlaces, leads);
    if (carried && std::ranges::find(kOfTheFile, key) == std::end(kOfTheFile)) out.set(key, value);
  }
  return out;
}

std::vector<ExportedWeight> exported_weights(const ModelSpec& spec) {
  std::vector<ExportedWeight> weights;
  for (std::size_t i = 0; i < spec.weights.size(); ++i) weights.push_back({.weight = i, .name = spec.weights[i].gguf});
  return weights;
}

void refuse_roles(const ModelSpec& spec, std::initializer_list<std::string_view> roles) {
  for (const Weight& weight : spec.weights)
    if (std::ranges::find(roles, weight.role) != roles.end())
      fail(ErrorCode::kInfeasible, "{} has no place in a GGUF file of this family", weight.tensor);
}

std::uint32_t to_u32(std::uint64_t value) {
  ensure(value <= UINT32_MAX, "{} does not fit 32 bits", value);
  return static_cast<std::uint32_t>(value);
}

}  // namespace quern
