// Each weight finds its row by its name in GGUF files.
#include "model/to_transformers.h"

#include <algorithm>
#include <map>

#include "base/fail.h"

namespace quern {
namespace {

using Spelling = TensorRow::Spelling;

const TensorRow& row_of(const Weight& weight, const std::vector<TensorRow>& rows) {
  const auto row = std::ranges::find_if(rows, [&](const TensorRow& r) {
    return (r.place == TensorRow::Place::kLayer) == (weight.layer >= 0) && gguf_name(r, weight.layer) == weight.gguf;
  });
  ensure(row != rows.end(), "no row for {}", weight.gguf);
  return *row;
}

Shape stored_shape(const TensorRow& row, const Weight& weight, const Naming& naming) {
  Shape shape;
  for (const std::string_view expression : stored_axes(row, naming)) {
    const auto axis = std::ranges::find(weight.axes, expression, &Axis::name);
    shape.push_back(axis == weight.axes.end() ? 1 : axis->extent);
  }
  return shape;
}

// All experts of a GGUF file lie in one tensor; in transformers each has its own.
void add_experts(const ExportedWeight& all, std::uint64_t experts, std::vector<ExportedWeight>& out) {
  for (std::uint64_t e = 0; e < experts; ++e) {
    out.push_back(all);
    out.back().name = expert_name(all.name, e);
    out.back().first_row = e * row_layout(all.shape).rows;
  }
}

}  // namespace

std::vector<ExportedWeight> transformers_weights(const ModelSpec& spec, const std::vector<TensorRow>& rows,
                                                 const Roots& roots) {
  const std::string& root = roots.roots.front();
  const Naming naming{.gguf = false, .root = root, .layers = root + roots.layers};
  std::vector<ExportedWeight> out;
  for (std::size_t i = 0; i < spec.weights.size(); ++i) {
    const Weight& weight = spec.weights[i];
    const TensorRow& row = row_of(weight, rows);
    ExportedWeight exported{.weight = i, .name = naming.name_of(row, weight.layer)};
    exported.shape = stored_shape(row, weight, naming);
    if (row.spelling == Spelling::kTransposed) exported.rows = ExportedWeight::Rows::kColumns;
    if (exported.name.find('*') != std::string::npos)
      add_experts(exported, weight.axes.front().extent, out);
    else
      out.push_back(std::move(exported));
  }
  return out;
}

namespace {

// Whether the model has the tensors of each option: of all layers, or of none.
std::map<std::string_view, bool> options_of(const ModelSpec& spec, const std::vector<TensorRow>& rows) {
  std::map<std::string_view, std::size_t> wanted, found;
  for (const TensorRow& row : rows)
    if (*row.option) wanted[row.option] += row.place == TensorRow::Place::kLayer ? spec.extent("layers") : 1;
  for (const Weight& weight : spec.weights)
    if (const TensorRow& row = row_of(weight, rows); *row.option) ++found[row.option];
  std::map<std::string_view, bool> options;
  for (const auto& [option, count] : wanted) {
    if (found[option] != 0 && found[option] != count)
      fail(ErrorCode::kInfeasible,
           "the model has {} of the {} tensors that \"{}\" of config.json stands for; transformers knows all or none",
           found[option], count, option);
    options[option] = found[option] != 0;
  }
  return options;
}

}  // namespace

Json transformers_config(const TransformersClass& of, const ModelSpec& spec, std::span<const HyperRow> values,
                         const Numbers& numbers, const std::vector<TensorRow>& rows) {
  Json config = Json::object({{"architectures", Json::array({of.architecture})}, {"model_type", of.model_type}});
  write_values(values, spec, numbers, config);
  write_values({&kVocabularyRow, 1}, spec, numbers, config);
  for (const auto& [option, has] : options_of(spec, rows))
    if (option != kHeadOption) config.set(option, has);
  config.set("tie_word_embeddings", spec.tied_head);
  return config;
}

}  // namespace quern
