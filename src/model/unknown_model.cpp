// Roles from names and shapes alone. What is not clearly the matrix of a product is not packed: a wrong guess then
// costs bytes. Kernels of convolutions and narrow matrices take the 16 bits of a scheme, everything else its own bits.
#include "model/unknown_model.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "base/counted.h"
#include "base/fail.h"
#include "checkpoint/described_files.h"
#include "codec/codec.h"

namespace quern {
namespace {

// Parts of names, lower case, of tensors that are looked up or that scale, not multiplied.
constexpr std::string_view kLookedUp[] = {"embed", "emb.", "wte", "wpe", "position", "pos_", "lookup", "token_type"};
constexpr std::string_view kScaling[] = {"norm", "bn1", "bn2", "bn3", "ln_", "scale", "gamma", "beta"};
constexpr const char* kKernelRole = "kernel";
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
  return encoding == "f64" || encoding == "f32" || encoding == "f16" || encoding == "bf16";
}

bool is_weight(const TensorEntry& entry) {
  return is_float(entry) && !entry.shape.empty() && element_count(entry.shape) > 0;
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

// A product's factor that no program loads packed, by its shape: of several axes, narrow, or with odd rows.
bool is_kernel(const TensorEntry& entry) {
  const std::string name = lower_case(entry.name);
  return entry.shape.size() >= 2 && entry.name.ends_with(kModuleSuffix) && !contains_any(name, kLookedUp) &&
         !contains_any(name, kScaling);
}

const char* role_of(const TensorEntry& entry, const std::string& kept) {
  if (kept.empty()) return "matrix";
  if (is_kernel(entry)) return kKernelRole;
  const auto long_axes = std::ranges::count_if(entry.shape, [](std::uint64_t extent) { return extent > 1; });
  return long_axes > 1 ? kOtherRole : "vector";
}

Weight weight_of(const TensorEntry& entry, const std::string& kept) {
  Weight weight{.role = role_of(entry, kept), .tensor = entry.name};
  weight.gguf = entry.name;
  if (kept.empty() || weight.role == kKernelRole) {
    const RowLayout layout = row_layout(entry.shape);
    weight.axes = {{"rows", layout.rows}, {"cols", layout.cols}};
  } else {
    weight.axes = {{"elements", element_count(entry.shape)}};
  }
  return weight;
}

// "3 tensors of f64, 1 tensor of i64".
std::string encodings_of(const Checkpoint& checkpoint) {
  std::map<std::string_view, std::size_t> counts;
  for (const TensorEntry& entry : checkpoint.tensors()) ++counts[entry.encoding];
  std::string text;
  for (const auto& [encoding, count] : counts)
    text += fmt::format("{}{} of {}", text.empty() ? "" : ", ", counted(count, "tensor"), encoding);
  return text.empty() ? "no tensor at all" : text;
}

}  // namespace

ModelSpec outline_unknown_model(const Checkpoint& checkpoint, const std::string& why) {
  if (std::ranges::none_of(checkpoint.tensors(), is_weight))
    fail(ErrorCode::kInput, "{} holds no floats of 16, 32 or 64 bits: {}; save its weights as float32 or bfloat16",
         described_model(checkpoint.path(), checkpoint.files()), encodings_of(checkpoint));
  ModelSpec spec;
  spec.architecture = kUnknownArchitecture;
  spec.evidence.push_back({"architecture", kUnknownArchitecture, why});
  return spec;
}

void list_tensors(std::span<const TensorEntry> tensors, ModelSpec& spec) {
  for (const TensorEntry& entry : tensors) {
    if (!is_weight(entry)) {
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
}

ModelSpec list_unknown_model(const Checkpoint& checkpoint, const std::string& why) {
  ModelSpec spec = outline_unknown_model(checkpoint, why);
  list_tensors(checkpoint.tensors(), spec);
  return spec;
}

}  // namespace quern
