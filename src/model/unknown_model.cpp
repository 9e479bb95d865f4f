// Roles from names and shapes alone. What is not clearly the matrix of a product keeps its encoding: a wrong guess then
// costs bytes and never quality.
#include "model/unknown_model.h"

#include <algorithm>
#include <string_view>

#include "base/fail.h"
#include "codec/codec.h"

namespace quern {
namespace {

// Parts of names, lower case, of tensors that are looked up or that scale, not multiplied.
constexpr std::string_view kLookedUp[] = {"embed", "emb.", "wte", "wpe", "position", "pos_", "lookup", "token_type"};
constexpr std::string_view kScaling[] = {"norm", "bn1", "bn2", "bn3", "ln_", "scale", "gamma", "beta"};
// A runtime for packed matrices finds them by their module's name.
constexpr std::string_view kModuleSuffix = ".weight";

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

template <std::size_t kCount>
bool contains_any(const std::string& text, const std::string_view (&parts)[kCount]) {
  return std::ranges::any_of(parts, [&](std::string_view part) { return text.find(part) != std::string::npos; });
}

bool is_float(const TensorEntry& entry) {
  const std::string_view encoding = plain_encoding(entry.encoding);
  return encoding == "f32" || encoding == "f16" || encoding == "bf16";
}

// Why a tensor keeps its encoding; empty: it is a matrix.
std::string why_kept(const TensorEntry& entry) {
  if (entry.shape.size() != 2) return fmt::format("{} axes", entry.shape.size());
  if (std::ranges::min(entry.shape) < kLeastMatrixExtent) return fmt::format("an extent below {}", kLeastMatrixExtent);
  // int8_channel packs four weights to a word in safetensors.
  if (entry.shape[1] % 4 != 0) return "rows of no multiple of 4";
  if (!entry.name.ends_with(kModuleSuffix)) return "not named as the weight of a module";
  const std::string name = lower_case(entry.name);
  if (contains_any(name, kLookedUp)) return "a table, by its name";
  if (contains_any(name, kScaling)) return "a norm, by its name";
  return {};
}

Weight weight_of(const TensorEntry& entry, const std::string& kept) {
  Weight weight{.role = kept.empty() ? "matrix" : "vector", .tensor = entry.name};
  weight.gguf = entry.name;
  if (kept.empty()) {
    weight.axes = {{"rows", entry.shape[0]}, {"cols", entry.shape[1]}};
  } else {
    weight.axes = {{"elements", element_count(entry.shape)}};
  }
  return weight;
}

}  // namespace

ModelSpec list_unknown_model(const Checkpoint& checkpoint, const std::string& why) {
  ModelSpec spec;
  spec.architecture = kUnknownArchitecture;
  spec.evidence.push_back({"architecture", kUnknownArchitecture, why});
  for (const TensorEntry& entry : checkpoint.tensors()) {
    if (!is_float(entry) || entry.shape.empty() || element_count(entry.shape) == 0) {
      spec.evidence.push_back({entry.name, "copied", fmt::format("{} {}", entry.encoding, to_string(entry.shape)),
                               Evidence::Kind::kInferred});
      continue;
    }
    const std::string kept = why_kept(entry);
    spec.weights.push_back(weight_of(entry, kept));
    spec.evidence.push_back({entry.name, spec.weights.back().role,
                             kept.empty() ? "two axes, long enough, named as the weight of a module" : kept,
                             Evidence::Kind::kInferred});
  }
  if (spec.weights.empty()) fail(ErrorCode::kInput, "{} holds no tensor of floats", checkpoint.path().string());
  return spec;
}

}  // namespace quern
