// Look-ups in a ModelSpec.
#include "model/model_spec.h"

#include <algorithm>

#include "base/fail.h"

namespace quern {

RowLayout Weight::layout() const {
  Shape shape;
  for (const Axis& axis : axes) shape.push_back(axis.extent);
  return row_layout(shape);
}

std::uint64_t Weight::elements() const {
  const RowLayout rows = layout();
  return rows.rows * rows.cols;
}

std::uint64_t Weight::experts() const { return axes.size() == 3 && axes[0].name == "experts" ? axes[0].extent : 1; }

Shape ExportedWeight::output_shape(const Weight& of) const {
  if (!shape.empty()) return shape;
  Shape extents;
  for (const Axis& axis : of.axes) extents.push_back(axis.extent);
  return extents;
}

std::uint64_t ModelSpec::extent(std::string_view name) const {
  const auto found = extents.find(std::string(name));
  ensure(found != extents.end(), "the architecture {} has no extent \"{}\"", architecture, name);
  return found->second;
}

const Op& ModelSpec::embedding_op() const {
  ensure(!blocks.empty() && !blocks.front().ops.empty(), "a model of {} without an embedding", architecture);
  return blocks.front().ops.front();
}

const Op& ModelSpec::head_op() const {
  ensure(!blocks.empty() && !blocks.back().ops.empty(), "a model of {} without a head", architecture);
  return blocks.back().ops.back();
}

std::vector<std::size_t> ModelSpec::weights_of(const Block& block) const {
  std::vector<std::size_t> indices;
  for (const Op& op : block.ops) {
    for (const std::size_t index : op.weights) {
      if (std::find(indices.begin(), indices.end(), index) == indices.end()) indices.push_back(index);
    }
  }
  return indices;
}

std::vector<std::string> assumed_values(const ModelSpec& spec) {
  std::vector<std::string> lines;
  for (const Evidence& e : spec.evidence)
    if (e.kind == Evidence::Kind::kAssumed) lines.push_back(fmt::format("{} {} is {}", e.property, e.value, e.source));
  return lines;
}

std::vector<std::string> description_notes(const ModelSpec& spec) {
  std::vector<std::string> notes = spec.notes;
  std::ranges::move(assumed_values(spec), std::back_inserter(notes));
  return notes;
}

}  // namespace quern
