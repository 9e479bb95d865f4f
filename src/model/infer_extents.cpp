// Solves axis expressions, which are linear in each extent, one unknown at a time.
#include "model/infer_extents.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "base/fail.h"

namespace quern {
namespace {

std::optional<std::uint64_t> leading_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data() + text.size() || *end != '.') return std::nullopt;
  return value;
}

// Distinct indices that follow `prefix` in names, when they are 0 .. count - 1; 0 otherwise.
std::uint64_t count_indices(const Checkpoint& checkpoint, std::string_view prefix) {
  std::set<std::uint64_t> found;
  for (const TensorEntry& entry : checkpoint.tensors())
    if (entry.name.starts_with(prefix))
      if (const auto index = leading_number(std::string_view(entry.name).substr(prefix.size()))) found.insert(*index);
  return !found.empty() && *found.rbegin() + 1 == found.size() ? found.size() : 0;
}

bool is_number(std::string_view factor) { return factor.front() >= '0' && factor.front() <= '9'; }

// The only unknown extent of an expression, or empty.
std::string_view only_unknown(const HyperParameters& parameters, std::string_view expression) {
  std::string_view unknown;
  for (const std::string_view factor : axis_factors(expression)) {
    if (is_number(factor) || parameters.knows(factor)) continue;
    if (!unknown.empty()) return {};
    unknown = factor;
  }
  return unknown;
}

bool rests_on_assumption(const HyperParameters& parameters, std::string_view expression) {
  return std::ranges::any_of(axis_factors(expression),
                             [&](std::string_view factor) { return !is_number(factor) && parameters.assumes(factor); });
}

// ", with head_dim 64"; empty where nothing else is part of the expression.
std::string known_factors(const HyperParameters& parameters, std::string_view expression) {
  std::string text;
  for (const std::string_view factor : axis_factors(expression))
    if (!is_number(factor) && parameters.knows(factor))
      text += fmt::format("{} {} {}", text.empty() ? ", with" : " and", factor, parameters[factor]);
  return text;
}

// The value of `unknown` that makes the expression `extent`.
std::optional<std::uint64_t> solve(const HyperParameters& parameters, std::string_view expression,
                                   std::string_view unknown, std::uint64_t extent) {
  const auto at = [&](std::uint64_t value) {
    HyperParameters trial = parameters;
    trial.infer(std::string(unknown), value, "");
    return trial.axis(expression);
  };
  const std::uint64_t constant = at(0), slope = at(1) - constant;
  if (slope == 0 || extent <= constant || (extent - constant) % slope != 0) return std::nullopt;
  return (extent - constant) / slope;
}

std::uint64_t layers_of(const HyperParameters& parameters) {
  return parameters.knows("layers") ? parameters["layers"] : 1;
}

// The row's tensor in the first layer that has it (expert 0's); null: none does.
const TensorEntry* first_tensor(const HyperParameters& parameters, const Naming& naming, const TensorRow& row) {
  const Checkpoint& checkpoint = parameters.checkpoint();
  if (row.place == TensorRow::Place::kModel) return checkpoint.find(expert_name(naming.name_of(row, -1), 0));
  for (std::uint64_t layer = 0; layer < layers_of(parameters); ++layer)
    if (const auto* entry = checkpoint.find(expert_name(naming.name_of(row, static_cast<std::int32_t>(layer)), 0)))
      return entry;
  return nullptr;
}

// The experts of the first layer that has some of this row.
void count_experts(HyperParameters& parameters, const Naming& naming, const TensorRow& row) {
  const std::string_view name = row.transformers;
  const std::size_t star = name.find('*');
  if (naming.gguf || star == std::string_view::npos) return;
  for (std::uint64_t layer = 0; layer < layers_of(parameters) && !parameters.knows("experts"); ++layer) {
    const std::string prefix = fmt::format("{}{}.{}", naming.layers, layer, name.substr(0, star));
    if (const std::uint64_t experts = count_indices(parameters.checkpoint(), prefix))
      parameters.infer("experts", experts, fmt::format("names {}0 to {}{}", prefix, prefix, experts - 1));
  }
}

bool solve_row(HyperParameters& parameters, const Naming& naming, const TensorRow& row) {
  const TensorEntry* entry = first_tensor(parameters, naming, row);
  const std::vector<std::string_view> axes =
      stored_axes(row, naming, entry ? entry->axes : TensorEntry::Axes::kOfModule);
  if (std::ranges::all_of(axes, [&](std::string_view axis) { return only_unknown(parameters, axis).empty(); }))
    return false;
  if (!entry || entry->shape.size() != axes.size()) return false;
  bool solved = false;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::string_view unknown = only_unknown(parameters, axes[i]);
    if (unknown.empty()) continue;
    const auto value = solve(parameters, axes[i], unknown, entry->shape[i]);
    if (!value) continue;
    const std::string source = fmt::format("{} is {}, axis {} is {}{}", entry->name, to_string(entry->shape), i,
                                           axes[i], known_factors(parameters, axes[i]));
    if (rests_on_assumption(parameters, axes[i]))
      parameters.assume(std::string(unknown), *value, source);
    else
      parameters.infer(std::string(unknown), *value, source);
    solved = true;
  }
  return solved;
}

}  // namespace

void infer_extents(HyperParameters& parameters, const Naming& naming, const std::vector<TensorRow>& rows) {
  const Checkpoint& checkpoint = parameters.checkpoint();
  if (!parameters.knows("layers"))
    if (const std::uint64_t layers = count_indices(checkpoint, naming.layers))
      parameters.infer("layers", layers, fmt::format("names {}0 to {}{}", naming.layers, naming.layers, layers - 1));
  for (const TensorRow& row : rows) count_experts(parameters, naming, row);
  for (bool progress = true; progress;) {
    progress = false;
    for (const TensorRow& row : rows) progress = solve_row(parameters, naming, row) || progress;
  }
}

}  // namespace quern
