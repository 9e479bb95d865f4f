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

Json evidence_json(const Evidence& e) {
  return Json::object(
      {{"property", e.property}, {"value", e.value}, {"source", e.source}, {"kind", to_string(e.kind)}});
}

Json block_json(const Block& block, const std::vector<Weight>& weights) {
  Json ops = Json::array();
  for (const Op& op : block.ops) ops.push_back(op_json(op, weights));
  return Json::object({{"name", block.name}, {"ops", std::move(ops)}});
}

}  // namespace

void write_json(JsonWriter& out, std::string_view key, const ModelSpec& spec,
                const std::function<void(const UseSpec&)>& in_pieces) {
  Json extents = Json::object();
  for (const auto& [name, extent] : spec.extents) extents.set(name, extent);
  out.open_object(key);
  out.member("architecture", spec.architecture);
  out.member("extents", extents);
  out.open_array("evidence");
  in_pieces([&](const ModelSpec& piece) {
    for (const Evidence& e : piece.evidence) out.item(evidence_json(e));
  });
  out.close();
  out.member("tied_head", spec.tied_head);
  out.member("tied_copy", spec.tied_copy);
  out.open_array("weights");
  in_pieces([&](const ModelSpec& piece) {
    for (const Weight& weight : piece.weights) out.item(weight_json(weight));
  });
  out.close();
  out.open_array("blocks");
  for (const Block& block : spec.blocks) out.item(block_json(block, spec.weights));
  out.close();
  out.close();
}

Json to_json(const ModelSpec& spec) {
  std::string text;
  JsonWriter out(-1, [&](std::string_view piece) { text += piece; });
  write_json(out, {}, spec, [&](const UseSpec& use) { use(spec); });
  out.finish();
  return parse_json(text);
}

}  // namespace quern
