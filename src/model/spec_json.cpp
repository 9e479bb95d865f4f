// What JSON shows of a ModelSpec.
#include "model/spec_json.h"

#include "model/op_traits.h"

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
