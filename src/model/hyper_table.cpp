// One walk over the rows for each direction.
#include "model/hyper_table.h"

#include <algorithm>
#include <charconv>

#include "base/fail.h"
#include "model/family.h"

namespace quern {
namespace {

using Kind = HyperRow::Kind;

std::uint64_t whole_value(const HyperRow& row, const ModelSpec& spec, const Numbers& numbers) {
  if (row.kind == Kind::kZero) return 0;
  return row.kind == Kind::kWhole ? static_cast<std::uint64_t>(numbers.at(row.name)) : spec.extent(row.name);
}

}  // namespace

void read_extents(HyperParameters& parameters, std::span<const HyperRow> rows) {
  for (const HyperRow& row : rows)
    if (row.kind == Kind::kExtent) parameters.extent(row.name, row.key, row.limit);
}

HyperKey key_of(std::span<const HyperRow> rows, std::string_view name) {
  const auto row = std::ranges::find(rows, name, &HyperRow::name);
  ensure(row != rows.end(), "no value {} in the table", name);
  return row->key;
}

void write_values(std::span<const HyperRow> rows, const ModelSpec& spec, const Numbers& numbers,
                  const std::string& prefix, Metadata& metadata) {
  for (const HyperRow& row : rows) {
    if (!row.key.gguf) continue;
    if (row.kind == Kind::kReal)
      metadata.set(prefix + row.key.gguf, static_cast<float>(numbers.at(row.name)));
    else
      metadata.set(prefix + row.key.gguf, to_u32(whole_value(row, spec, numbers)));
  }
}

void write_values(std::span<const HyperRow> rows, const ModelSpec& spec, const Numbers& numbers, Json& config) {
  for (const HyperRow& row : rows) {
    if (!row.key.transformers) continue;
    if (row.kind == Kind::kReal)
      config.set(row.key.transformers, shortest_decimal(numbers.at(row.name)));
    else
      config.set(row.key.transformers, whole_value(row, spec, numbers));
  }
}

double shortest_decimal(double value) {
  const std::string text = fmt::format("{}", static_cast<float>(value));
  double nearest = 0;
  std::from_chars(text.data(), text.data() + text.size(), nearest);
  return nearest;
}

}  // namespace quern
