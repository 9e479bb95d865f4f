// bitsandbytes, 4 bits, NF4 and FP4. A linear layer M of shape [out, in], n = out * in:
//
//   M.weight                                 U8  [n / 2, 1]    two codes a byte, the first in the high bits; other
//                                                              types of the same bytes (bnb_4bit_quant_storage) too
//   M.weight.absmax                          F32 [n / 64]      scales; twice quantized: U8 [n / 64], codes of scales
//   M.weight.quant_map                       F32 [16]          the levels
//   M.weight.quant_state.bitsandbytes__nf4   U8  [length]      JSON: quant_type, blocksize, dtype, shape ...
// (.._fp4 the same) and, where scales are quantized again (nested_scales.h):
//   M.weight.nested_absmax                   F32 [n / 64 / 256, rounded up]
//   M.weight.nested_quant_map                F32 [256]         nested_blocksize, _dtype and _offset are in the JSON
//
// Blocks run over the flattened matrix. NF4 whose rows are whole blocks of 64 are the codec's planes; everything else
// is decoded while it is read, w = level * scale in binary32, rounded to the dtype of the state.
//
// 8 bits (LLM.int8): M.weight I8 [out, in], M.SCB F32 [out] the largest magnitude of a row, M.weight_format.
// w = q * SCB * (1 / 127), in binary32.
#include "packed/bitsandbytes.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/dynamic8.h"
#include "base/fail.h"
#include "base/nf4_levels.h"
#include "packed/nested_scales.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/row_codes.h"

namespace quern {
namespace {

using Scales = BlockEncoding::Scales;
constexpr std::string_view kState = ".quant_state.bitsandbytes__nf4", kRowScales = ".SCB";
constexpr std::string_view kStates[] = {kState, ".quant_state.bitsandbytes__fp4"};
constexpr std::string_view kMembers[] = {".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"};
constexpr std::uint64_t kMaxStateBytes = 1 << 16;
constexpr float kInt8Factor = 7.874015718698502e-3f;  // 1 / 127, as functional.int8_vectorwise_dequant has it

struct StoredType {
  std::string_view dtype, encoding;
};
constexpr StoredType kStoredTypes[] = {{"float32", "f32"}, {"float16", "f16"}, {"bfloat16", "bf16"}};

const TensorEntry& member(const LayoutTable& table, const std::string& name, std::string_view encoding,
                          std::uint64_t count) {
  const TensorEntry& entry = table.need(name);
  if (entry.encoding != encoding || element_count(entry.shape) != count)
    fail(ErrorCode::kInput, "{} is {} {}, but {} values of {} were expected", name, entry.encoding,
         to_string(entry.shape), count, encoding);
  return entry;
}

void read_floats(const LayoutTable& table, const TensorEntry& entry, std::span<float> out) {
  table.read(entry, 0, std::as_writable_bytes(out));
}

// A matrix as its state describes it.
struct Module {
  std::string name, quant_type;
  std::string_view encoding;  // that the package decodes to
  Shape shape;
  std::uint64_t block = 0, weights = 0, blocks = 0;
  std::array<float, 16> levels{};
  const TensorEntry* codes = nullptr;
  bool nested = false;
  TensorPart scales;
};

Json read_state(const LayoutTable& table, const TensorEntry& entry) {
  const std::vector<std::byte> bytes = table.read_small(entry, kMaxStateBytes);
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return with_context(entry.name, [&] { return parse_json(text); });
}

void read_shape(const Json& state, Module& m) {
  const Json::Array& extents = state.at("shape").as_array();
  if (extents.size() != 2) fail(ErrorCode::kInput, "{}: {} is no matrix", m.name, dump_json(state));
  m.shape = {extents[0].as_uint64(), extents[1].as_uint64()};
  m.weights = element_count(m.shape);
  m.block = state.at("blocksize").as_uint64();
  m.quant_type = member_text(state, "quant_type");
  const auto type = std::ranges::find(kStoredTypes, member_text(state, "dtype"), &StoredType::dtype);
  if (m.weights == 0 || m.block == 0 || type == std::end(kStoredTypes))
    fail(ErrorCode::kInput, "{}: {} cannot be read", m.name, dump_json(state));
  m.encoding = type->encoding;
  m.blocks = (m.weights - 1) / m.block + 1;
}

TensorPart nested_part(const std::string& name, const Json& state, const LayoutTable& table, std::uint64_t blocks) {
  if (member_text(state, "nested_blocksize") != std::to_string(kNestedBlock))
    fail(ErrorCode::kInput, "{}: nested blocks of {} cannot be read", name, member_text(state, "nested_blocksize"));
  const TensorPart& codes = member(table, name + ".absmax", "u8", blocks).parts[0];
  const std::uint64_t runs = (blocks + kNestedBlock - 1) / kNestedBlock;
  NestedScales nested{.codes = codes, .values = {}, .scales = {}};
  const TensorEntry& scales = member(table, name + ".nested_absmax", "f32", runs);
  nested.scales.resize(runs);
  read_floats(table, scales, nested.scales);
  read_floats(table, member(table, name + ".nested_quant_map", "f32", 256), nested.values);
  nested.shift = static_cast<float>(state.at("nested_offset").as_double());
  return {codes.file, codes.offset, blocks * sizeof(float), make_nested_scale_decoder(std::move(nested))};
}

Module module_at(const std::string& name, const TensorEntry& state_entry, const LayoutTable& table) {
  Module m;
  m.name = name;
  const Json state = read_state(table, state_entry);
  read_shape(state, m);
  m.codes = &table.need(name);
  if (m.codes->parts[0].bytes != m.weights / 2 + m.weights % 2)
    fail(ErrorCode::kInput, "{} has {} bytes, but {} were expected for {}", name, m.codes->parts[0].bytes,
         m.weights / 2 + m.weights % 2, to_string(m.shape));
  read_floats(table, member(table, name + ".quant_map", "f32", m.levels.size()), m.levels);
  m.nested = state.find("nested_blocksize");
  m.scales =
      m.nested ? nested_part(name, state, table, m.blocks) : member(table, name + ".absmax", "f32", m.blocks).parts[0];
  return m;
}

class BlockSource final : public TileSource {
 public:
  BlockSource(const Module& m, const LayoutTable& table)
      : cols_(m.shape[1]),
        block_(m.block),
        levels_(m.levels),
        codes_(table.operand(*m.codes, m.codes->parts[0].file)),
        scales_(table.operand({m.name + ".absmax", {m.blocks}, "f32", {m.scales}}, m.codes->parts[0].file)) {}

  std::uint64_t stored_bytes() const override { return codes_.stored_bytes() + scales_.stored_bytes(); }

  // Tiles of several rows have whole rows, so that each is one run of the flattened matrix.
  void decode(const File& home, const Tile& tile, std::span<float> values) const override {
    const std::uint64_t first = tile.row * cols_ + tile.col;
    std::vector<std::byte> codes((first + values.size() + 1) / 2 - first / 2);
    codes_.read(home, first / 2, codes);
    const std::uint64_t block = first / block_;
    std::vector<float> scales((first + values.size() - 1) / block_ + 1 - block);
    scales_.read(home, block * sizeof(float), std::as_writable_bytes(std::span(scales)));
    for (std::uint64_t i = 0; i < values.size(); ++i) {
      const auto pair = std::to_integer<unsigned>(codes[(first + i) / 2 - first / 2]);
      values[i] = levels_[(first + i) % 2 ? pair & 15 : pair >> 4] * scales[(first + i) / block_ - block];
    }
  }

 private:
  std::uint64_t cols_, block_;
  std::array<float, 16> levels_;
  Operand codes_, scales_;
};

// Whether the codec's planes are the package's bytes.
bool is_codec(const Module& m) {
  return m.levels == kNf4Levels && m.block == kNf4BlockWeights && m.shape[1] % kNf4BlockWeights == 0;
}

TensorEntry joined(const Module& m, const LayoutTable& table) {
  if (!is_codec(m))
    return tiled_entry(m.name, m.shape, m.encoding, m.codes->parts[0], std::make_shared<BlockSource>(m, table));
  return {m.name,
          m.shape,
          std::string(block_encoding(m.nested ? Scales::kNested : Scales::kPlain).name),
          {m.codes->parts[0], m.scales}};
}

std::string dtype_of(const Json& config) {
  for (const char* key : {"dtype", "torch_dtype"})
    if (const std::string found = member_text(config, key); !found.empty()) return found;
  return "bfloat16";
}

}  // namespace

void unpack_bitsandbytes_4bit(LayoutTable& table) {
  for (const std::string_view suffix : kStates)
    for (const TensorEntry* state : table.ending_with(suffix)) {
      const std::string name = module_of(state->name, suffix);
      const Module m = module_at(name, *state, table);
      TensorEntry entry = joined(m, table);
      table.take(*state);
      table.take(*m.codes);
      for (const std::string_view part : kMembers)
        if (const TensorEntry* found = table.find(name + std::string(part))) table.take(*found);
      const std::string layout =
          fmt::format("bitsandbytes, {}, blocks of {}{}", m.quant_type == kNf4QuantType ? "NF4" : "FP4", m.block,
                      m.nested ? ", scales quantized again" : "");
      table.put(std::move(entry), is_codec(m) ? "" : layout);
    }
}

void unpack_bitsandbytes_int8(LayoutTable& table) {
  for (const TensorEntry* scales : table.ending_with(kRowScales)) {
    const std::string module = module_of(scales->name, kRowScales);
    const TensorEntry* codes = table.find(module + std::string(kWeightSuffix));
    if (!codes || codes->encoding != "i8" || codes->shape.size() != 2 || !element_count(codes->shape)) continue;
    member(table, scales->name, "f32", codes->shape[0]);
    const std::uint32_t home = codes->parts[0].file;
    RowCodes of;
    of.rows = of.grid_rows = codes->shape[0];
    of.cols = of.pitch = of.block_cols = codes->shape[1];
    of.codes = table.operand(*codes, home);
    of.values = number_values(number_type(*codes));
    of.scales = table.operand(*scales, home);
    of.scale_type = &number_type(*scales);
    of.combine = [](float code, float scale, float) { return code * scale * kInt8Factor; };
    table.take(*codes);
    table.take(*scales);
    for (const char* other : {".weight_format", ".weight.weight_format"})
      if (const TensorEntry* format = table.find(module + other)) table.take(*format);
    table.put(tiled_entry(codes->name, codes->shape, "f32", codes->parts[0], make_row_source(std::move(of))),
              "bitsandbytes, INT8, a scale a row");
  }
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
