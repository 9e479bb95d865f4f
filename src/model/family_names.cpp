// One look-up a name, whatever its numbers: a checkpoint may have 400,000 tensors, a family 100 rows.
#include "model/family_names.h"

#include <algorithm>

#include "base/fail.h"

namespace quern {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// "model.layers.17.mlp.w1.weight" -> "model.layers.*.mlp.w1.weight".
std::string without_numbers(std::string_view name) {
  std::string text;
  text.reserve(name.size());
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    text += is_number(part) ? "*" : part;
    if (end < name.size()) text += '.';
    begin = end + 1;
  }
  return text;
}

}  // namespace

FamilyNames::FamilyNames(const std::vector<TensorRow>& rows, const Roots& roots) {
  for (const TensorRow& row : rows) {
    const bool in_layer = row.place == TensorRow::Place::kLayer, is_head = std::string_view(row.key) == kHeadKey;
    add(std::string(in_layer ? "blk.*." : "") + row.gguf);
    for (const std::string& root : roots.roots)
      add(in_layer ? root + roots.layers + "*." + row.transformers : (is_head ? "" : root) + row.transformers);
  }
}

void FamilyNames::add(std::string name) {
  ensure(without_numbers(name) == name, "the number in {} would match every other", name);
  names_.insert(std::move(name));
}

bool FamilyNames::contains(std::string_view tensor) const {
  return tensor.find('*') == std::string_view::npos && names_.contains(without_numbers(tensor));
}

}  // namespace quern
