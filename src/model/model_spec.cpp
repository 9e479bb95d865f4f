// Look-ups in a ModelSpec, and its JSON.
#include "quern/model_spec.h"

#include <algorithm>

#include "model/op_traits.h"
#include "quern/error.h"

namespace quern {
namespace {

Json text_array(const std::vector<std::string>& items) {
  Json out = Json::array();
  for (const std::string& item : items) out.push_back(item);
  return out;
}

Json weight_json(const Weight& weight) {
  Json axes = Json::array();
  for (const Axis& axis : weight.axes) axes.push_back(Json::object({{"name", axis.name}, {"extent", axis.extent}}));
  Json out = Json::object({{"role", weight.role}, {"tensor", weight.tensor}, {"axes", std::move(axes)}});
  if (!weight.group.empty()) out.set("group", weight.group);
  if (weight.layer >= 0) out.set("layer", weight.layer);
  if (weight.storage == Weight::Storage::kTransposed) out.set("stored", "transposed");
  if (!weight.parts.empty()) out.set("tensors", weight.parts.size());
  return out;
}

const char* to_string(Evidence::Kind kind) {
  constexpr const char* kNames[] = {"stated", "inferred", "assumed"};
  return kNames[static_cast<int>(kind)];
}

Json op_json(const Op& op, const std::vector<Weight>& weights) {
  Json out = kind_fields(op);
  out.set("inputs", text_array(op.inputs));
  out.set("output", op.output);
  if (!op.weights.empty()) {
    Json tensors = Json::array();
    for (const std::size_t index : op.weights) tensors.push_back(weights[index].tensor);
    out.set("weights", std::move(tensors));
  }
  return out;
}

}  // namespace

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

Json to_json(const ModelSpec& spec) {
  Json extents = Json::object(), weights = Json::array(), blocks = Json::array(), evidence = Json::array();
  for (const auto& [name, extent] : spec.extents) extents.set(name, extent);
  for (const Weight& weight : spec.weights) weights.push_back(weight_json(weight));
  for (const Block& block : spec.blocks) {
    Json ops = Json::array();
    for (const Op& op : block.ops) ops.push_back(op_json(op, spec.weights));
    blocks.push_back(Json::object({{"name", block.name}, {"ops", std::move(ops)}}));
  }
  for (const Evidence& e : spec.evidence)
    evidence.push_back(Json::object(
        {{"property", e.property}, {"value", e.value}, {"source", e.source}, {"kind", to_string(e.kind)}}));
  return Json::object({{"architecture", spec.architecture},
                       {"extents", std::move(extents)},
                       {"evidence", std::move(evidence)},
                       {"tied_head", spec.tied_head},
                       {"tied_copy", spec.tied_copy},
                       {"weights", std::move(weights)},
                       {"blocks", std::move(blocks)}});
}

}  // namespace quern
