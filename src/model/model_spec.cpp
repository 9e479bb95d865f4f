// Look-ups in a ModelSpec, and its JSON.
#include "quern/model_spec.h"

#include <algorithm>

#include "quern/error.h"

namespace quern {
namespace {

Json text_array(const std::vector<std::string>& items) {
  Json out = Json::array();
  for (const std::string& item : items) out.push_back(item);
  return out;
}

// One overload a kind of op: its name and its own fields.
Json::Object fields(const EmbedOp&) { return {{"op", "embed"}}; }
Json::Object fields(const RmsNormOp& op) { return {{"op", "rms_norm"}, {"epsilon", op.epsilon}}; }
Json::Object fields(const LinearOp&) { return {{"op", "linear"}}; }
Json::Object fields(const RopeOp& op) {
  Json frequencies = Json::array();
  for (const double frequency : op.inverse_frequencies) frequencies.push_back(frequency);
  return {{"op", "rope"},
          {"head_dim", op.head_dim},
          {"pairing", op.pairing == RopeOp::Pairing::kHalves ? "halves" : "neighbours"},
          {"inverse_frequencies", std::move(frequencies)}};
}
Json::Object fields(const AttentionOp& op) {
  return {{"op", "attention"},       {"heads", op.heads}, {"kv_heads", op.kv_heads},
          {"head_dim", op.head_dim}, {"scale", op.scale}, {"window", op.window}};
}
Json::Object fields(const SiluMulOp&) { return {{"op", "silu_mul"}}; }
Json::Object fields(const AddOp&) { return {{"op", "add"}}; }

Json weight_json(const Weight& weight) {
  Json axes = Json::array();
  for (const Axis& axis : weight.axes) axes.push_back(Json::object({{"name", axis.name}, {"extent", axis.extent}}));
  Json out = Json::object({{"role", weight.role}, {"tensor", weight.tensor}, {"axes", std::move(axes)}});
  if (!weight.group.empty()) out.set("group", weight.group);
  if (weight.layer >= 0) out.set("layer", weight.layer);
  return out;
}

Json op_json(const Op& op, const std::vector<Weight>& weights) {
  Json out = std::visit([](const auto& kind) { return fields(kind); }, op.kind);
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

std::uint64_t ModelSpec::extent(std::string_view name) const {
  const auto found = extents.find(std::string(name));
  ensure(found != extents.end(), "the architecture {} has no extent \"{}\"", architecture, name);
  return found->second;
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

Json to_json(const ModelSpec& spec) {
  Json extents = Json::object(), weights = Json::array(), blocks = Json::array();
  for (const auto& [name, extent] : spec.extents) extents.set(name, extent);
  for (const Weight& weight : spec.weights) weights.push_back(weight_json(weight));
  for (const Block& block : spec.blocks) {
    Json ops = Json::array();
    for (const Op& op : block.ops) ops.push_back(op_json(op, spec.weights));
    blocks.push_back(Json::object({{"name", block.name}, {"ops", std::move(ops)}}));
  }
  return Json::object({{"architecture", spec.architecture},
                       {"extents", std::move(extents)},
                       {"tied_head", spec.tied_head},
                       {"weights", std::move(weights)},
                       {"blocks", std::move(blocks)}});
}

}  // namespace quern
