// Names first, then shapes as the blocks are laid down.
#include "model/spec_builder.h"

#include <algorithm>
#include <unordered_set>

#include "base/counted.h"
#include "base/fail.h"
#include "codec/codec.h"
#include "model/checkpoint_weights.h"
#include "model/op_walk.h"

namespace quern {
namespace {

constexpr std::size_t kNamesShown = 5;

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) text += (i ? ", " : "") + names[i];
  return names.size() > kNamesShown ? text + ", ..." : text;
}

// A tensor that no operation of such a model can be about: a scale of caches (no axis), indices and masks, or what lies
// beside the model and its head, such as the head of a value.
bool is_beside(const TensorEntry& entry, const Naming& naming, std::string_view head) {
  if (naming.gguf) return false;
  const std::string_view name = entry.name, head_module = head.substr(0, head.rfind('.') + 1);
  const bool is_outside = !naming.root.empty() && !name.starts_with(naming.root) && !name.starts_with(head_module);
  return is_outside || element_count(entry.shape) == 0 || entry.shape.empty() || entry.encoding == "i64" ||
         entry.encoding == "bool";
}

// A bias of zeros, as writers of GPTQ and AWQ give one to every matrix.
bool is_idle(const Checkpoint& checkpoint, const TensorEntry& entry) {
  constexpr std::uint64_t kMostBytes = 1 << 20;
  if (!entry.name.ends_with(".bias") || !find_decoder(entry.encoding) || entry.parts.size() != 1 ||
      entry.parts[0].bytes > kMostBytes)
    return false;
  const Matrix values = CheckpointWeights(checkpoint).read(entry.name);
  return std::ranges::all_of(values.flat(), [](float value) { return value == 0; });
}

}  // namespace

Naming find_naming(const Checkpoint& checkpoint, const Roots& roots) {
  if (checkpoint.find("token_embd.weight")) return {.gguf = true, .root = "", .layers = "blk."};
  for (const std::string& root : roots.roots)
    if (checkpoint.find(root + roots.probe)) return {.gguf = false, .root = root, .layers = root + roots.layers};
  return {.gguf = false, .root = roots.roots.front(), .layers = roots.roots.front() + roots.layers};
}

SpecBuilder::SpecBuilder(const char* architecture, HyperParameters& parameters, Naming naming,
                         std::vector<TensorRow> rows, std::vector<TensorOption> options,
                         std::function<bool(std::string_view)> is_derived)
    : parameters_(parameters),
      checkpoint_(parameters.checkpoint()),
      naming_(std::move(naming)),
      rows_(std::move(rows)),
      options_(std::move(options)),
      is_derived_(std::move(is_derived)),
      spec_{.architecture = architecture},
      names_(compare_names()) {
  if (!parameters_.only_claims()) check_names();
}

const TensorRow& SpecBuilder::row(const char* key) const {
  const auto found = std::ranges::find(rows_, std::string_view(key), &TensorRow::key);
  ensure(found != rows_.end(), "the family {} has no tensor {}", spec_.architecture, key);
  return *found;
}

const TensorOption& SpecBuilder::option(const char* name) const {
  const auto found = std::ranges::find(options_, std::string_view(name), &TensorOption::name);
  ensure(found != options_.end(), "the family {} has no option {}", spec_.architecture, name);
  return *found;
}

std::vector<std::string> SpecBuilder::names_of(const TensorRow& row, std::int32_t layer) const {
  const std::string name = naming_.name_of(row, layer);
  if (name.find('*') == std::string::npos) return {name};
  std::vector<std::string> names;
  for (std::uint64_t e = 0; e < parameters_["experts"]; ++e) names.push_back(expert_name(name, e));
  return names;
}

bool SpecBuilder::wanted(const TensorRow& row, std::int32_t layer) const {
  if (*row.option == '\0') return true;
  const bool there = checkpoint_.find(expert_name(naming_.name_of(row, layer), 0)) != nullptr;
  return option(row.option).given.value_or(there);
}

bool SpecBuilder::has(const char* key) const { return wanted(row(key), layer_); }

void SpecBuilder::for_each_place(const std::function<void(const TensorRow&, std::int32_t)>& visit) const {
  for (const TensorRow& row : rows_)
    if (row.place == TensorRow::Place::kModel) visit(row, -1);
  for (std::int32_t layer = 0; layer < static_cast<std::int32_t>(parameters_["layers"]); ++layer)
    for (const TensorRow& row : rows_)
      if (row.place == TensorRow::Place::kLayer) visit(row, layer);
}

SpecBuilder::Names SpecBuilder::compare_names() const {
  Names names;
  if (parameters_.only_claims()) return names;
  std::unordered_set<std::string> expected;
  for_each_place([&](const TensorRow& row, std::int32_t layer) {
    if (!wanted(row, layer)) return;
    for (std::string& name : names_of(row, layer)) {
      if (!checkpoint_.find(name)) names.missing.push_back(name);
      expected.insert(std::move(name));
    }
  });
  names.expected = expected.size();
  const std::string head = naming_.name_of(row(kHeadKey), -1);
  for (const TensorEntry& entry : checkpoint_.tensors())
    if (!expected.contains(entry.name) && entry.name != head && !is_derived_(entry.name) &&
        !is_beside(entry, naming_, head))
      (is_idle(checkpoint_, entry) ? names.idle : names.unmatched).push_back(entry.name);
  return names;
}

void SpecBuilder::check_denied(const TensorRow& row, std::int32_t layer) const {
  if (*row.option == '\0') return;
  const TensorOption& given = option(row.option);
  if (given.given != false) return;
  for (const std::string& name : names_of(row, layer)) {
    if (!std::ranges::binary_search(names_.unmatched, name)) continue;
    if (!given.by_class.empty())
      fail(ErrorCode::kInput, "a {} has no tensors for {}, but there is {}", given.by_class, row.option, name);
    fail(ErrorCode::kInput, "{} says {} false, but there is {}", parameters_.place(), row.option, name);
  }
}

void SpecBuilder::check_names() const {
  for_each_place([&](const TensorRow& row, std::int32_t layer) { check_denied(row, layer); });
  const char* counts = parameters_.knows("experts") ? "layers*experts" : "layers";
  if (!names_.missing.empty())
    fail(ErrorCode::kInput, "{}, but {} of the {} tensors that such a model needs are missing: {}",
         parameters_.claim(counts), names_.missing.size(), names_.expected, listed(names_.missing));
  if (!names_.unmatched.empty())
    fail(ErrorCode::kInput,
         "{}, and there is no place in such a model for {}: {}; where they are not wanted, `drop` leaves them out (in "
         "compress, plan, eval and run)",
         parameters_.claim(counts), counted(names_.unmatched.size(), "tensor"), listed(names_.unmatched));
}

void SpecBuilder::check_shape(const TensorRow& row, const std::string& tensor) const {
  const TensorEntry& entry = checkpoint_.at(tensor);
  const Shape& shape = entry.shape;
  const std::vector<std::string_view> axes = stored_axes(row, naming_, entry.axes);
  if (shape.size() != axes.size()) {
    std::string names;
    for (const std::string_view axis : axes) names += (names.empty() ? "" : ", ") + std::string(axis);
    fail(ErrorCode::kInput, "{} is {}, but {} axes were expected ({})", tensor, to_string(shape), axes.size(), names);
  }
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (shape[i] == parameters_.axis(axes[i])) continue;
    if (axes[i] == "1") fail(ErrorCode::kInput, "{} is {}, but axis {} must be 1", tensor, to_string(shape), i);
    fail(ErrorCode::kInput, "{}, but {} is {}", parameters_.claim(axes[i]), tensor, to_string(shape));
  }
}

void SpecBuilder::begin_block(std::string name, std::int32_t layer) {
  layer_ = layer;
  spec_.blocks.push_back({std::move(name), {}});
}

std::size_t SpecBuilder::weight(const char* key) {
  const TensorRow& r = row(key);
  const std::int32_t layer = r.place == TensorRow::Place::kLayer ? layer_ : -1;
  Weight weight;
  weight.role = r.role;
  weight.tensor = naming_.name_of(r, layer);
  weight.group = r.group;
  weight.layer = layer;
  if (*r.group && layer >= 0) weight.group = fmt::format("layers.{}.{}", layer, r.group);
  weight.gguf = gguf_name(r, layer);
  for (const std::string_view axis : r.axes) weight.axes.push_back({std::string(axis), parameters_.axis(axis)});
  if (!naming_.gguf && r.spelling == TensorRow::Spelling::kTransposed)
    weight.module_storage = Weight::Storage::kTransposed;
  const std::vector<std::string> names = names_of(r, layer);
  const bool apart = weight.tensor.find('*') != std::string::npos;
  for (const std::string& name : names) {
    check_shape(r, name);
    if (is_transposed(r, naming_, checkpoint_.at(name).axes)) weight.storage = Weight::Storage::kTransposed;
    if (apart) weight.parts.push_back({name, 0, weight.layout().rows / names.size()});
  }
  spec_.weights.push_back(std::move(weight));
  return spec_.weights.size() - 1;
}

void SpecBuilder::add(decltype(Op::kind) kind, std::initializer_list<std::string> inputs, std::string output,
                      std::vector<std::size_t> weights) {
  spec_.blocks.back().ops.push_back({std::move(kind), inputs, std::move(output), std::move(weights)});
}

void SpecBuilder::linear(const char* matrix, const char* bias, std::string input, std::string output) {
  std::vector<std::size_t> weights{weight(matrix)};
  if (bias && has(bias)) weights.push_back(weight(bias));
  add(LinearOp{}, {std::move(input)}, std::move(output), std::move(weights));
}

ModelSpec SpecBuilder::build(const std::function<void()>& embed, const std::function<void()>& layer,
                             const std::function<void()>& norm) {
  for (const auto& [name, extent] : parameters_.extents()) spec_.extents[name] = extent.value;
  if (parameters_.only_claims()) {
    spec_.evidence = parameters_.evidence();
    return std::move(spec_);
  }
  begin_block("embed", -1);
  embed();
  for (std::int32_t l = 0; l < static_cast<std::int32_t>(parameters_["layers"]); ++l) {
    begin_block("layers." + std::to_string(l), l);
    layer();
  }
  begin_block("head", -1);
  norm();
  spec_.tied_head = !has(kHeadKey);
  const std::string head = naming_.name_of(row(kHeadKey), -1);
  if (spec_.tied_head) {
    spec_.weights.front().group = row(kHeadKey).group;
    if (checkpoint_.find(head)) spec_.tied_copy = head;
  }
  const std::size_t matrix = spec_.tied_head ? 0 : weight(kHeadKey);
  add(LinearOp{}, {"normed"}, "logits", {matrix});
  spec_.evidence = parameters_.evidence();
  if (const std::size_t count = names_.idle.size())
    spec_.notes.push_back(fmt::format("{} of zeros, which the model has no place for, {} left out: {}",
                                      counted(count, "bias tensor"), count == 1 ? "is" : "are", listed(names_.idle)));
  check_ends(spec_);
  return std::move(spec_);
}

}  // namespace quern
