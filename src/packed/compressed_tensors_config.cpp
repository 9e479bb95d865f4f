// The quantization_config of compressed-tensors, read and written.
#include <algorithm>

#include "base/fail.h"
#include "packed/compressed_tensors.h"
#include "packed/quantized_modules.h"

namespace quern {
namespace {

using Zeros = PackedEncoding::Zeros;

// The release of the package whose configuration this is.
constexpr const char* kVersion = "0.18.0";
constexpr std::string_view kPackQuantized = "pack-quantized";

Json weight_scheme(const PackedEncoding& encoding) {
  return Json::object({{"num_bits", encoding.bits},
                       {"type", "int"},
                       {"symmetric", encoding.zeros == Zeros::kNone},
                       {"strategy", encoding.group ? "group" : "channel"},
                       {"group_size", encoding.group ? Json(encoding.group) : Json(nullptr)},
                       {"block_structure", nullptr},
                       {"dynamic", false},
                       {"actorder", nullptr},
                       {"scale_dtype", nullptr},
                       {"zp_dtype", nullptr},
                       {"observer", "minmax"},
                       {"observer_kwargs", Json::object()}});
}

// The modules of one encoding.
struct Group {
  const PackedEncoding* encoding = nullptr;
  Json::Array modules;
};

Json config_group(const Group& group, Json targets) {
  return Json::object({{"targets", std::move(targets)},
                       {"format", std::string(kPackQuantized)},
                       {"input_activations", nullptr},
                       {"output_activations", nullptr},
                       {"weights", weight_scheme(*group.encoding)}});
}

Json quantization_config(Json groups, Json ignore) {
  const bool one_group = groups.as_object().size() == 1;
  Json out = Json::object({{"quant_method", "compressed-tensors"},
                           {"format", std::string(kPackQuantized)},
                           {"quantization_status", "compressed"},
                           {"global_compression_ratio", nullptr},
                           {"version", kVersion},
                           {"config_groups", std::move(groups)},
                           {"ignore", std::move(ignore)},
                           {"kv_cache_scheme", nullptr},
                           {"sparsity_config", Json::object()},
                           {"transform_config", Json::object()}});
  // Without it transformers 5.23 fails on packed embeddings, tied heads and Mamba blocks, whose initialisers ask for
  // M.weight; with it all weights are decoded while loading, but all by the first group.
  if (one_group) out.set("dequantize", true);
  return out;
}

// "Linear" and embeddings by name where there is one group; else every module by name, so that no order matters.
Json config_groups(const std::vector<Group>& groups) {
  Json out = Json::object();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    Json targets = Json::array();
    if (groups.size() == 1) targets.push_back("Linear");
    for (const Json& module : groups[g].modules)
      if (groups.size() > 1 || is_embedding_module(module.as_string())) targets.push_back(module);
    out.set("group_" + std::to_string(g), config_group(groups[g], std::move(targets)));
  }
  return out;
}

}  // namespace

std::vector<unsigned> stated_bits(const Json& config) {
  const Json* quantization = find_quantization(config);
  if (!quantization || member_text(*quantization, "quant_method") != "compressed-tensors") return {};
  if (!lacks_member(*quantization, "transform_config"))
    fail(ErrorCode::kInput,
         "the weights were rotated before compressed-tensors quantized them (transform_config), which is not undone: "
         "use the original model");
  const Json* groups = quantization->find("config_groups");
  std::vector<unsigned> bits;
  if (!groups || !groups->is_object()) return bits;
  for (const Json::Member& group : groups->as_object()) {
    const Json* weights = group.second.is_object() ? group.second.find("weights") : nullptr;
    const Json* stated = weights && weights->is_object() ? weights->find("num_bits") : nullptr;
    if (stated && stated->is_integer() && stated->as_double() >= 1 && stated->as_double() <= 8)
      bits.push_back(static_cast<unsigned>(stated->as_uint64()));
  }
  return bits;
}

Json with_quantization_config(const Json& config, const std::vector<TensorSpec>& tensors) {
  std::vector<Group> groups;
  for (const PackedEncoding& encoding : packed_encodings()) groups.push_back({&encoding, {}});
  Json ignore = Json::array();
  bool has_head = false, packed_embedding = false;
  for (const TensorSpec& tensor : tensors) {
    if (!tensor.name.ends_with(kWeightSuffix) || tensor.shape.size() != 2) continue;
    const std::string module = module_of(tensor.name);
    has_head = has_head || module == "lm_head";
    if (const PackedEncoding* encoding = find_packed_encoding(tensor.encoding)) {
      groups[static_cast<std::size_t>(encoding - packed_encodings().data())].modules.push_back(module);
      packed_embedding = packed_embedding || is_embedding_module(module);
    } else if (!is_embedding_module(module)) {
      ignore.push_back(module);
    }
  }
  std::erase_if(groups, [](const Group& group) { return group.modules.empty(); });
  Json out = without_quantization(config);
  if (groups.empty()) return out;
  if (!has_head && !packed_embedding) ignore.push_back("lm_head");  // tied to an unquantized embedding
  if (out.is_null()) out = Json::object();
  out.set("quantization_config", quantization_config(config_groups(groups), std::move(ignore)));
  return out;
}

}  // namespace quern
