// Names from prefixes and rows.
#include "model/tensor_table.h"

#include "base/fail.h"

namespace quern {

std::string gguf_name(const TensorRow& row, std::int32_t layer) {
  return row.place == TensorRow::Place::kLayer ? fmt::format("blk.{}.{}", layer, row.gguf) : row.gguf;
}

std::string Naming::name_of(const TensorRow& row, std::int32_t layer) const {
  ensure((layer >= 0) == (row.place == TensorRow::Place::kLayer), "tensor {} at layer {}", row.key, layer);
  if (gguf) return gguf_name(row, layer);
  if (row.place == TensorRow::Place::kLayer) return fmt::format("{}{}.{}", layers, layer, row.transformers);
  // The head stands beside the model, not in it.
  return std::string_view(row.key) == "output" ? row.transformers : root + row.transformers;
}

bool is_transposed(const TensorRow& row, const Naming& naming, TensorEntry::Axes axes) {
  return !naming.gguf && row.spelling == TensorRow::Spelling::kTransposed && axes == TensorEntry::Axes::kOfModule;
}

std::vector<std::string_view> stored_axes(const TensorRow& row, const Naming& naming, TensorEntry::Axes stored) {
  const bool apart = !naming.gguf && std::string_view(row.transformers).find('*') != std::string_view::npos;
  std::vector<std::string_view> axes(row.axes.begin() + (apart ? 1 : 0), row.axes.end());
  if (is_transposed(row, naming, stored)) std::swap(axes.front(), axes.back());
  if (!naming.gguf && row.spelling == TensorRow::Spelling::kUnitAxis) axes.insert(axes.begin() + 1, "1");
  return axes;
}

std::string expert_name(std::string_view name, std::uint64_t expert) {
  const std::size_t star = name.find('*');
  if (star == std::string_view::npos) return std::string(name);
  return fmt::format("{}{}{}", name.substr(0, star), expert, name.substr(star + 1));
}

}  // namespace quern
