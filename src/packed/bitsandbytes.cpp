// bitsandbytes, 4 bits, NF4. A linear layer M of shape [out, in], n = out * in:
//
//   M.weight                                 U8  [n / 2, 1]    two codes a byte, the first in the high bits
//   M.weight.absmax                          F32 [n / 64]      scales; twice quantized: U8 [n / 64], codes of scales
//   M.weight.quant_map                       F32 [16]          the levels
//   M.weight.quant_state.bitsandbytes__nf4   U8  [length]      JSON: quant_type, blocksize, dtype, shape ...
// and, where scales are quantized again (nested_scales.h):
//   M.weight.nested_absmax                   F32 [n / 64 / 256, rounded up]
//   M.weight.nested_quant_map                F32 [256]         nested_blocksize, _dtype and _offset are in the JSON
//
// Blocks run over the flattened matrix; only rows of whole blocks are the codec's, so others are refused.
#include "packed/bitsandbytes.h"

#include <array>
#include <map>
#include <string>

#include "base/dynamic8.h"
#include "base/fail.h"
#include "base/nf4_levels.h"
#include "packed/nested_scales.h"
#include "packed/quantized_modules.h"

namespace quern {
namespace {

using Scales = BlockEncoding::Scales;
using Table = std::map<std::string, const TensorEntry*, std::less<>>;

constexpr std::string_view kState = ".quant_state.bitsandbytes__nf4";
constexpr std::string_view kOtherState = ".quant_state.bitsandbytes__fp4";
constexpr std::string_view kMembers[] = {".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"};
constexpr std::uint64_t kMaxStateBytes = 1 << 16;
const TensorPart& member(const Table& table, const std::string& name, std::string_view encoding, std::uint64_t count) {
  const auto at = table.find(name);
  if (at == table.end()) fail(ErrorCode::kInput, "{} is missing", name);
  const TensorEntry& entry = *at->second;
  if (entry.encoding != encoding || element_count(entry.shape) != count)
    fail(ErrorCode::kInput, "{} is {} {}, but {} values of {} were expected", name, entry.encoding,
         to_string(entry.shape), count, encoding);
  return entry.parts[0];
}

void read_bytes(const std::vector<File>& files, const TensorPart& part, std::span<std::byte> out) {
  files.at(part.file).read(part.offset, out);
}

Json read_state(const std::vector<File>& files, const TensorEntry& entry) {
  const TensorPart& part = entry.parts[0];
  if (part.bytes > kMaxStateBytes) fail(ErrorCode::kInput, "{} has {} bytes", entry.name, part.bytes);
  std::string text(part.bytes, '\0');
  read_bytes(files, part, std::as_writable_bytes(std::span(text)));
  return with_context(entry.name, [&] { return parse_json(text); });
}

// Shape of the matrix. Error(kInput) for states that cannot be read.
Shape check_state(const std::string& name, const Json& state) {
  const Json::Array& extents = state.at("shape").as_array();
  if (member_text(state, "quant_type") != kNf4QuantType || member_text(state, "blocksize") != "64" ||
      extents.size() != 2)
    fail(ErrorCode::kInput, "{}: only matrices in NF4 with blocks of 64 can be read, not {}", name, dump_json(state));
  const Shape shape = {extents[0].as_uint64(), extents[1].as_uint64()};
  if (shape[1] % kNf4BlockWeights || element_count(shape) == 0)
    fail(ErrorCode::kInput, "{}: rows of {} weights are not whole blocks of {}", name, shape[1], kNf4BlockWeights);
  return shape;
}

TensorPart nested_part(const std::string& name, const Json& state, const Table& table, const std::vector<File>& files,
                       std::uint64_t blocks) {
  if (member_text(state, "nested_blocksize") != std::to_string(kNestedBlock))
    fail(ErrorCode::kInput, "{}: nested blocks of {} cannot be read", name, member_text(state, "nested_blocksize"));
  const TensorPart codes = member(table, name + ".absmax", "u8", blocks);
  const std::uint64_t runs = (blocks + kNestedBlock - 1) / kNestedBlock;
  NestedScales nested{.offset = codes.offset, .count = blocks, .values = {}, .scales = {}};
  const TensorPart& scales = member(table, name + ".nested_absmax", "f32", runs);
  nested.scales.resize(runs);
  read_bytes(files, scales, std::as_writable_bytes(std::span(nested.scales)));
  read_bytes(files, member(table, name + ".nested_quant_map", "f32", 256),
             std::as_writable_bytes(std::span(nested.values)));
  nested.shift = static_cast<float>(state.at("nested_offset").as_double());
  return {codes.file, codes.offset, blocks * sizeof(float), make_nested_scale_decoder(std::move(nested))};
}

TensorEntry join(const std::string& name, const Table& table, const std::vector<File>& files) {
  const Json state = read_state(files, *table.find(name + std::string(kState))->second);
  const Shape shape = check_state(name, state);
  const std::uint64_t weights = element_count(shape), blocks = weights / kNf4BlockWeights;
  std::array<float, kNf4Levels.size()> levels;
  read_bytes(files, member(table, name + ".quant_map", "f32", levels.size()),
             std::as_writable_bytes(std::span(levels)));
  if (levels != kNf4Levels) fail(ErrorCode::kInput, "{}.quant_map is not that of NF4", name);
  const bool nested = state.find("nested_blocksize");
  const TensorPart& codes = member(table, name, "u8", weights / 2);
  const TensorPart scales =
      nested ? nested_part(name, state, table, files, blocks) : member(table, name + ".absmax", "f32", blocks);
  return {name, shape, std::string(block_encoding(nested ? Scales::kNested : Scales::kPlain).name), {codes, scales}};
}

// The matrix that a tensor describes; "" when it is none of them.
std::string owner_of(const std::string& name, const Table& table) {
  for (const std::string_view suffix : kMembers)
    if (name.ends_with(suffix) && table.contains(module_of(name, suffix) + std::string(kState)))
      return module_of(name, suffix);
  return "";
}

std::string dtype_of(const Json& config) {
  for (const char* key : {"dtype", "torch_dtype"})
    if (const std::string found = member_text(config, key); !found.empty()) return found;
  return "bfloat16";
}

}  // namespace

bool is_bitsandbytes(const Json& config) {
  const Json* quantization = find_quantization(config);
  return quantization && member_text(*quantization, "quant_method") == "bitsandbytes";
}

void join_bitsandbytes_weights(const Json& config, const std::vector<File>& files, std::vector<TensorEntry>& tensors) {
  const Json& quantization = *find_quantization(config);
  if (member_text(quantization, "load_in_4bit") != "true" ||
      member_text(quantization, "bnb_4bit_quant_type") != kNf4QuantType)
    fail(ErrorCode::kInput,
         "the weights are already quantized by bitsandbytes; only its 4-bit NF4 can be read: use the original model");
  Table table;
  for (const TensorEntry& tensor : tensors) table.emplace(tensor.name, &tensor);
  std::vector<TensorEntry> joined;
  for (const TensorEntry& tensor : tensors) {
    if (tensor.name.ends_with(kOtherState)) fail(ErrorCode::kInput, "{}: FP4 cannot be read", tensor.name);
    if (tensor.name.ends_with(kState)) {
      joined.push_back(join(module_of(tensor.name, kState), table, files));
    } else if (owner_of(tensor.name, table).empty() && !table.contains(tensor.name + std::string(kState))) {
      joined.push_back(tensor);
    }
  }
  tensors = std::move(joined);
}

const char* why_not_in_4bit(std::string_view tensor, std::size_t axes) {
  if (const char* why = why_not_packed(tensor, axes)) return why;
  return is_embedding_module(module_of(std::string(tensor))) ? "its package packs no embeddings" : nullptr;
}

StoredLayout lay_out_bitsandbytes_weight(const TensorSpec& tensor, const BlockEncoding& encoding, const Json& config) {
  if (why_not_in_4bit(tensor.name, tensor.shape.size()) || element_count(tensor.shape) == 0 ||
      tensor.shape[1] % kNf4BlockWeights)
    fail(ErrorCode::kInput,
         "tensor \"{}\" of shape {} cannot be stored as {}: that takes the matrix M.weight of a linear layer with rows "
         "of a multiple of {} weights",
         tensor.name, to_string(tensor.shape), encoding.name, kNf4BlockWeights);
  const std::uint64_t weights = element_count(tensor.shape), blocks = weights / kNf4BlockWeights;
  Json state = Json::object({{"quant_type", kNf4QuantType},
                             {"blocksize", kNf4BlockWeights},
                             {"dtype", dtype_of(config)},
                             {"shape", Json::array({tensor.shape[0], tensor.shape[1]})}});
  StoredLayout layout;
  layout.add_part(tensor.name, "u8", {weights / 2, 1});
  if (encoding.scales == Scales::kPlain) {
    layout.add_part(tensor.name + ".absmax", "f32", {blocks});
  } else {
    const std::size_t codes = layout.add(tensor.name + ".absmax", "u8", {blocks});
    const std::size_t nested =
        layout.add(tensor.name + ".nested_absmax", "f32", {(blocks + kNestedBlock - 1) / kNestedBlock});
    layout.parts.push_back({blocks * sizeof(float), {codes, nested}, encode_nested_scales});
    layout.add_constant(tensor.name + ".nested_quant_map", "f32", {256}, std::as_bytes(std::span(dynamic8_values())));
    state.set("nested_blocksize", kNestedBlock);
    state.set("nested_dtype", "float32");
    state.set("nested_offset", 0.0);
  }
  layout.add_constant(tensor.name + ".quant_map", "f32", {16}, std::as_bytes(std::span(kNf4Levels)));
  const std::string text = dump_json(state);
  layout.add_constant(tensor.name + std::string(kState), "u8", {text.size()}, std::as_bytes(std::span(text)));
  return layout;
}

Json with_bitsandbytes_config(const Json& config, const std::vector<TensorSpec>& tensors) {
  Json skip = Json::array();
  bool nested = false, has_head = false;
  for (const TensorSpec& tensor : tensors) {
    if (!tensor.name.ends_with(kWeightSuffix) || tensor.shape.size() != 2) continue;
    const std::string module = module_of(tensor.name);
    has_head = has_head || module == "lm_head";
    const BlockEncoding* encoding = find_block_encoding(tensor.encoding);
    if (!encoding && !is_embedding_module(module)) skip.push_back(module);
    nested = nested || (encoding && encoding->scales == Scales::kNested);
  }
  if (!has_head) skip.push_back("lm_head");  // tied to the embedding
  Json out = without_quantization(config);
  if (out.is_null()) out = Json::object();
  out.set("quantization_config", Json::object({{"quant_method", "bitsandbytes"},
                                               {"load_in_4bit", true},
                                               {"load_in_8bit", false},
                                               {"_load_in_4bit", true},
                                               {"_load_in_8bit", false},
                                               {"bnb_4bit_quant_type", kNf4QuantType},
                                               {"bnb_4bit_use_double_quant", nested},
                                               {"bnb_4bit_compute_dtype", dtype_of(config)},
                                               {"bnb_4bit_quant_storage", "uint8"},
                                               {"llm_int8_threshold", 6.0},
                                               {"llm_int8_skip_modules", std::move(skip)},
                                               {"llm_int8_enable_fp32_cpu_offload", false},
                                               {"llm_int8_has_fp16_weight", false}}));
  return out;
}

}  // namespace quern
