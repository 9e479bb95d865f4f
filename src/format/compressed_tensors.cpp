// compressed-tensors, format pack-quantized, 8 bits, symmetric, one scale a row (W8A16). A linear layer M of shape
// [out, in]:
//
//   M.weight_packed  I32  [out, in / 4]  byte k of a row is q[k] + 128, q in -127..127
//   M.weight_scale   BF16 [out, 1]       w = q * scale
//   M.weight_shape   I64  [2]            out, in
//
// Rows whose length is no multiple of 4 are padded by the package; such a row is not the codec's run of bytes, so these
// are refused both ways.
#include "format/compressed_tensors.h"

#include <algorithm>
#include <map>
#include <string>

#include "quern/error.h"

namespace quern {
namespace {

constexpr const char* kPacked = ".weight_packed";
constexpr const char* kScale = ".weight_scale";
constexpr const char* kShape = ".weight_shape";
constexpr const char* kWeight = ".weight";
// The release of the package whose configuration this is.
constexpr const char* kVersion = "0.18.0";
// Names that transformers gives to input embeddings; they are no Linear modules, so they are targeted by name.
constexpr std::string_view kEmbeddings[] = {"embed_tokens",    "embeddings",     "wte",
                                            "word_embeddings", "tok_embeddings", "embed_in"};

std::string text_of(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (!value || value->is_null()) return "";
  return value->is_string() ? value->as_string() : dump_json(*value);
}

bool absent(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return !value || value->is_null() || (value->is_object() && value->as_object().empty());
}

bool is_int8_channel(const Json& group) {
  const Json* weights = group.find("weights");
  return weights && text_of(*weights, "num_bits") == "8" && text_of(*weights, "type") == "int" &&
         text_of(*weights, "symmetric") == "true" && text_of(*weights, "strategy") == "channel" &&
         absent(group, "input_activations") && absent(group, "output_activations");
}

// Whether the quantization is the one of this file; false: there is none. Error(kInput) for all others.
bool check_quantization(const Json& config) {
  if (!absent(config, "quantization") && absent(config, "quantization_config")) {
    fail(ErrorCode::kInput,
         "the weights are quantized in MLX's layout, which is not supported; use the original model");
  }
  const char* key = absent(config, "quantization_config") ? "compression_config" : "quantization_config";
  if (absent(config, key)) return false;
  const Json& quantization = config.at(key);
  const std::string method = text_of(quantization, "quant_method"), format = text_of(quantization, "format");
  const Json* groups = quantization.find("config_groups");
  bool known = method == "compressed-tensors" && format == "pack-quantized" && groups && groups->is_object() &&
               absent(quantization, "transform_config");
  if (known) {
    for (const Json::Member& group : groups->as_object()) known = known && is_int8_channel(group.second);
  }
  if (known) return true;
  fail(ErrorCode::kInput,
       "the weights are already quantized with quant_method \"{}\", format \"{}\"; only compressed-tensors "
       "pack-quantized with 8-bit "
       "symmetric channel-wise weights can be read: use the original model",
       method, format);
}

using Table = std::map<std::string, const TensorEntry*, std::less<>>;

const TensorEntry& sibling(const Table& table, const std::string& name, std::string_view encoding, const Shape& shape) {
  const auto at = table.find(name);
  if (at == table.end()) fail(ErrorCode::kInput, "{} is missing", name);
  const TensorEntry& entry = *at->second;
  if (entry.encoding != encoding || entry.shape != shape) {
    fail(ErrorCode::kInput, "{} is {} {}, but {} {} was expected", name, entry.encoding, to_string(entry.shape),
         encoding, to_string(shape));
  }
  return entry;
}

TensorEntry join(const std::string& module, const Table& table, const std::vector<File>& files) {
  const TensorEntry& shape_entry = sibling(table, module + kShape, "i64", {2});
  std::uint64_t extents[2];
  const TensorPart& where = shape_entry.parts[0];
  files.at(where.file).read(where.offset, std::as_writable_bytes(std::span(extents)));
  const auto [rows, cols] = extents;
  if (cols == 0 || cols % kCodesPerWord) {
    fail(ErrorCode::kInput, "{} gives rows of {} weights; only multiples of {} are supported", module + kShape, cols,
         kCodesPerWord);
  }
  const TensorEntry& codes = sibling(table, module + kPacked, "i32", {rows, cols / kCodesPerWord});
  const TensorEntry& scales = sibling(table, module + kScale, "bf16", {rows, 1});
  if (table.contains(module + ".weight_zero_point") || table.contains(module + ".weight_g_idx") ||
      table.contains(module + kWeight)) {
    fail(ErrorCode::kInput, "{} has zero points, a group index, or an unquantized twin beside it", module + kPacked);
  }
  return {module + kWeight, {rows, cols}, std::string(kPackedInt8), {codes.parts[0], scales.parts[0]}};
}

std::string module_of(const std::string& name, std::string_view suffix) {
  return name.substr(0, name.size() - suffix.size());
}

bool is_embedding(const std::string& module) {
  const std::string last = module.substr(module.rfind('.') + 1);
  return std::find(std::begin(kEmbeddings), std::end(kEmbeddings), last) != std::end(kEmbeddings);
}

Json weight_scheme() {
  return Json::object({{"num_bits", 8},
                       {"type", "int"},
                       {"symmetric", true},
                       {"strategy", "channel"},
                       {"group_size", nullptr},
                       {"block_structure", nullptr},
                       {"dynamic", false},
                       {"actorder", nullptr},
                       {"scale_dtype", nullptr},
                       {"zp_dtype", nullptr},
                       {"observer", "minmax"},
                       {"observer_kwargs", Json::object()}});
}

Json quantization_config(Json targets, Json ignore) {
  Json group = Json::object({{"targets", std::move(targets)},
                             {"format", "pack-quantized"},
                             {"input_activations", nullptr},
                             {"output_activations", nullptr},
                             {"weights", weight_scheme()}});
  return Json::object({{"quant_method", "compressed-tensors"},
                       {"format", "pack-quantized"},
                       {"quantization_status", "compressed"},
                       {"global_compression_ratio", nullptr},
                       {"version", kVersion},
                       {"config_groups", Json::object({{"group_0", std::move(group)}})},
                       {"ignore", std::move(ignore)},
                       {"kv_cache_scheme", nullptr},
                       {"sparsity_config", Json::object()},
                       {"transform_config", Json::object()},
                       // Without it transformers 5.23 fails on packed embeddings, tied heads and Mamba blocks, whose
                       // initialisers ask for M.weight; with it all weights are decoded while loading.
                       {"dequantize", true}});
}

}  // namespace

void join_packed_weights(const Json& config, const std::vector<File>& files, std::vector<TensorEntry>& tensors) {
  if (!check_quantization(config)) return;
  Table table;
  for (const TensorEntry& tensor : tensors) table.emplace(tensor.name, &tensor);
  std::vector<TensorEntry> joined;
  for (const TensorEntry& tensor : tensors) {
    const auto belongs = [&](const char* suffix) {
      return tensor.name.ends_with(suffix) && table.contains(module_of(tensor.name, suffix) + kPacked);
    };
    if (belongs(kPacked)) {
      joined.push_back(join(module_of(tensor.name, kPacked), table, files));
    } else if (!belongs(kScale) && !belongs(kShape)) {
      joined.push_back(tensor);
    }
  }
  tensors = std::move(joined);
}

std::vector<SafetensorsTensor> split_packed_weight(const TensorSpec& tensor) {
  if (tensor.shape.size() != 2 || !tensor.name.ends_with(kWeight) || tensor.shape[1] == 0 ||
      tensor.shape[1] % kCodesPerWord) {
    fail(ErrorCode::kInput,
         "tensor \"{}\" of shape {} cannot be stored as {} in safetensors: that takes a matrix named M.weight with "
         "rows of a multiple "
         "of {} weights",
         tensor.name, to_string(tensor.shape), kPackedInt8, kCodesPerWord);
  }
  const std::string module = module_of(tensor.name, kWeight);
  const std::uint64_t rows = tensor.shape[0], words = tensor.shape[1] / kCodesPerWord;
  std::vector<SafetensorsTensor> stored = {{module + kPacked, find_safetensors_encoding("i32"), {rows, words}},
                                           {module + kScale, find_safetensors_encoding("bf16"), {rows, 1}},
                                           {module + kShape, find_safetensors_encoding("i64"), {2}}};
  return stored;
}

Json with_quantization_config(const Json& config, const std::vector<TensorSpec>& tensors) {
  Json out = Json::object();
  for (const Json::Member& member : config.is_null() ? Json::Object() : config.as_object())
    if (member.first != "quantization_config" && member.first != "compression_config")
      out.as_object().push_back(member);
  Json targets = Json::array({"Linear"}), ignore = Json::array();
  bool quantized = false, has_head = false;
  for (const TensorSpec& tensor : tensors) {
    if (!tensor.name.ends_with(kWeight) || tensor.shape.size() != 2) continue;
    const std::string module = module_of(tensor.name, kWeight);
    has_head = has_head || module == "lm_head";
    if (tensor.encoding != kPackedInt8) {
      if (!is_embedding(module)) ignore.push_back(module);
    } else {
      quantized = true;
      if (is_embedding(module)) targets.push_back(module);
    }
  }
  if (!quantized) return config.is_null() ? config : out;
  if (!has_head && targets.as_array().size() == 1) ignore.push_back("lm_head");  // tied to an unquantized embedding
  out.set("quantization_config", quantization_config(std::move(targets), std::move(ignore)));
  return out;
}

}  // namespace quern
