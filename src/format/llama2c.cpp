// A header, then the weights of a Llama one after the other, without names:
//
//   version 0   0 seven int32: dim, hidden_dim, layers, heads, kv_heads, vocabulary (negative: the head has weights
//               of its own), positions                                                               (28 bytes)
//   version 1   0 "24ka" (the word 0x616b3432), 4 int32 version, 8 the seven, 36 whether the head is the embedding,
//               zeros                                                                                (256 bytes)
//   version 2   as 1, and 37 int32 group: matrices are int8, all of one, then float32 scales, one each `group` of them
//
// The order of the weights is in kVersions; matrices of the layers come all of one kind, layer by layer. Those of
// queries and keys have the pairs that rotary positions turn side by side, where transformers has them half a head
// apart: they are read in its order, and under its names.
#include "format/llama2c.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/file.h"
#include "checkpoint/byte_run.h"
#include "checkpoint/hf_folder.h"
#include "checkpoint/quantized_numbers.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

constexpr std::uint32_t kMagic = 0x616b3432;
constexpr std::size_t kNumbers = 7, kOldHeaderBytes = kNumbers * 4, kHeaderBytes = 256;
constexpr std::size_t kNumbersAt = 8, kSharedAt = 36, kGroupAt = 37;
constexpr double kEpsilon = 1e-5, kRopeBase = 10000;  // constants of run.c

struct Header {
  std::uint32_t version = 0;
  std::uint64_t dim = 0, hidden = 0, layers = 0, heads = 0, kv_heads = 0, vocabulary = 0, positions = 0;
  std::uint64_t kv_dim = 0;
  bool has_head = false;
  std::uint64_t group = 0;  // of version 2
};

using Extent = std::uint64_t Header::*;

// A kind of tensor.
struct Kind {
  std::string_view name;  // with {} for the number of the layer, where each has one
  Extent rows;            // null: a vector
  Extent cols;
  Extent turned_heads = nullptr;  // of rows whose pairs are side by side
  bool is_layered() const { return name.find("{}") != std::string_view::npos; }
};
constexpr Kind kEmbed = {"model.embed_tokens.weight", &Header::vocabulary, &Header::dim};
constexpr Kind kInputNorm = {"model.layers.{}.input_layernorm.weight", nullptr, &Header::dim};
constexpr Kind kQ = {"model.layers.{}.self_attn.q_proj.weight", &Header::dim, &Header::dim, &Header::heads};
constexpr Kind kK = {"model.layers.{}.self_attn.k_proj.weight", &Header::kv_dim, &Header::dim, &Header::kv_heads};
constexpr Kind kV = {"model.layers.{}.self_attn.v_proj.weight", &Header::kv_dim, &Header::dim};
constexpr Kind kO = {"model.layers.{}.self_attn.o_proj.weight", &Header::dim, &Header::dim};
constexpr Kind kPostNorm = {"model.layers.{}.post_attention_layernorm.weight", nullptr, &Header::dim};
constexpr Kind kGate = {"model.layers.{}.mlp.gate_proj.weight", &Header::hidden, &Header::dim};
constexpr Kind kDown = {"model.layers.{}.mlp.down_proj.weight", &Header::dim, &Header::hidden};
constexpr Kind kUp = {"model.layers.{}.mlp.up_proj.weight", &Header::hidden, &Header::dim};
constexpr Kind kNorm = {"model.norm.weight", nullptr, &Header::dim};
constexpr Kind kRotary = {"", &Header::positions, &Header::dim};  // a table of dim / heads columns, that nothing reads
constexpr Kind kHead = {"lm_head.weight", &Header::vocabulary, &Header::dim};

constexpr const Kind* kOrder0[] = {&kEmbed, &kInputNorm, &kQ,  &kK,    &kV,      &kO,   &kPostNorm,
                                   &kGate,  &kDown,      &kUp, &kNorm, &kRotary, &kHead};
constexpr const Kind* kOrder1[] = {&kInputNorm, &kPostNorm, &kNorm, &kEmbed, &kQ,  &kK,
                                   &kV,         &kO,        &kGate, &kDown,  &kUp, &kHead};
constexpr std::span<const Kind* const> kVersions[] = {kOrder0, kOrder1, kOrder1};

// What is wrong with the numbers; empty: nothing.
std::string fault_of(const Header& header) {
  for (const auto& [name, value] :
       {std::pair("dim", header.dim), std::pair("hidden_dim", header.hidden), std::pair("n_layers", header.layers),
        std::pair("n_heads", header.heads), std::pair("n_kv_heads", header.kv_heads),
        std::pair("vocab_size", header.vocabulary), std::pair("max_seq_len", header.positions)})
    if (value == 0 || value > INT32_MAX) return fmt::format("{} is {}", name, static_cast<std::int64_t>(value));
  if (header.dim % (2 * header.heads) != 0 || header.heads % header.kv_heads != 0)
    return fmt::format("a width of {} does not divide into {} heads of {} for keys", header.dim, header.heads,
                       header.kv_heads);
  return {};
}

void set_numbers(Header& header, const std::byte* from) {
  std::array<std::uint64_t*, kNumbers> to = {&header.dim,      &header.hidden,     &header.layers,   &header.heads,
                                             &header.kv_heads, &header.vocabulary, &header.positions};
  for (std::size_t k = 0; k < kNumbers; ++k)
    *to[k] = static_cast<std::uint64_t>(std::int64_t{load<std::int32_t>(from + 4 * k)});
  if (header.heads != 0) header.kv_dim = header.dim / header.heads * header.kv_heads;
}

// Version 0 has no magic: `fault_of` and the size of the file tell.
std::optional<Header> read_header(const File& file) {
  std::array<std::byte, kHeaderBytes> bytes{};
  if (file.size() < kOldHeaderBytes) return std::nullopt;
  file.read(0, std::span(bytes).first(std::min<std::uint64_t>(file.size(), bytes.size())));
  Header header;
  if (load<std::uint32_t>(bytes.data()) != kMagic) {
    const auto vocabulary = load<std::int32_t>(&bytes[5 * 4]);
    header.has_head = vocabulary < 0;
    set_numbers(header, bytes.data());
    header.vocabulary = static_cast<std::uint64_t>(std::abs(std::int64_t{vocabulary}));
    return header;
  }
  header.version = load<std::uint32_t>(&bytes[4]);
  set_numbers(header, &bytes[kNumbersAt]);
  header.has_head = bytes[kSharedAt] == std::byte{0};
  if (header.version == 2) header.group = load<std::uint32_t>(&bytes[kGroupAt]);
  return header;
}

// int8 in groups, as float32.
class GroupsDecoder final : public PartDecoder {
 public:
  GroupsDecoder(std::uint64_t offset, std::uint64_t count, std::uint64_t group)
      : offset_(offset), count_(count), group_(group) {}

  std::uint64_t stored_bytes() const override { return count_ + count_ / group_ * sizeof(float); }

  void read(const File& file, std::uint64_t offset, std::span<std::byte> out) const override {
    constexpr std::uint64_t kBatch = std::uint64_t{1} << 18;  // bytes given
    for (std::uint64_t done = 0; done < out.size();) {
      const std::uint64_t first = (offset + done) / sizeof(float), skipped = (offset + done) % sizeof(float);
      const std::uint64_t wanted = std::min<std::uint64_t>(kBatch, skipped + out.size() - done);
      const std::vector<float> values = read_values(file, first, round_up(wanted, sizeof(float)) / sizeof(float));
      std::ranges::copy(std::as_bytes(std::span(values)).subspan(skipped, wanted - skipped), &out[done]);
      done += wanted - skipped;
    }
  }

 private:
  std::vector<float> read_values(const File& file, std::uint64_t first, std::uint64_t count) const {
    const std::uint64_t first_group = first / group_, groups = (first + count - 1) / group_ + 1 - first_group;
    std::vector<std::int8_t> codes(count);
    std::vector<float> scales(groups), values(count);
    file.read(offset_ + first, std::as_writable_bytes(std::span(codes)));
    file.read(offset_ + count_ + first_group * sizeof(float), std::as_writable_bytes(std::span(scales)));
    for (std::uint64_t i = 0; i < count; ++i)
      values[i] = static_cast<float>(codes[i]) * scales[(first + i) / group_ - first_group];
    return values;
  }

  std::uint64_t offset_, count_, group_;
};

// A tensor that begins at a byte of the file.
struct Placed {
  const Kind* kind;
  std::uint64_t layer = 0, offset = 0, count = 0, bytes = 0;
};

bool is_packed(const Header& header, const Kind& kind) { return header.group != 0 && kind.rows != nullptr; }

// All tensors in the order of the file; nullopt: they end elsewhere than it does, which is `file_bytes` long.
std::optional<std::vector<Placed>> place_tensors(const Header& header, std::uint64_t file_bytes) {
  std::vector<Placed> placed;
  std::uint64_t at = header.version == 0 ? kOldHeaderBytes : kHeaderBytes;
  for (const Kind* kind : kVersions[header.version]) {
    if (kind == &kHead && !header.has_head) continue;
    std::uint64_t count = header.*kind->cols * (kind->rows ? header.*kind->rows : 1);  // below 2^62
    if (kind == &kRotary) count = header.positions * (header.dim / header.heads);
    const bool packed = is_packed(header, *kind);
    if (count > file_bytes || (packed && count % header.group != 0)) return std::nullopt;
    const std::uint64_t bytes = packed ? count + count / header.group * sizeof(float) : count * sizeof(float);
    for (std::uint64_t layer = 0; layer < (kind->is_layered() ? header.layers : 1); ++layer, at += bytes) {
      if (at > file_bytes || bytes > file_bytes - at) return std::nullopt;
      if (kind != &kRotary) placed.push_back({kind, layer, at, count, bytes});
    }
  }
  if (at != file_bytes) return std::nullopt;
  return placed;
}

TensorEntry entry_of(const Header& header, const Placed& tensor) {
  const Kind& kind = *tensor.kind;
  const std::uint64_t cols = header.*kind.cols;
  ByteRun run{tensor.offset, tensor.count * sizeof(float)};
  if (is_packed(header, kind)) run.decoder = std::make_shared<GroupsDecoder>(tensor.offset, tensor.count, header.group);
  TensorEntry entry{fmt::format(fmt::runtime(kind.name), tensor.layer), {cols}, kFloat32, {}};
  if (kind.rows) entry.shape = {header.*kind.rows, cols};
  StridedLayout layout{sizeof(float), 0, entry.shape, Shape(entry.shape.size(), 1)};
  if (kind.rows) layout.strides[0] = cols;
  if (kind.turned_heads) {
    const std::uint64_t heads = header.*kind.turned_heads, width = header.dim / header.heads;
    layout.shape = {heads, 2, width / 2, cols};
    layout.strides = {width * cols, cols, 2 * cols, 1};
  }
  entry.parts = {strided_part(run, 0, layout)};
  if (is_packed(header, kind))
    entry.parts[0] = decoded_part(std::move(entry.parts[0]), fmt::format("INT8, groups of {}", header.group));
  return entry;
}

Json config_of(const Header& header, Json config) {
  if (config.is_null())
    config =
        Json::object({{"rms_norm_eps", kEpsilon}, {"rope_theta", kRopeBase}, {"bos_token_id", 1}, {"eos_token_id", 2}});
  config.set("architectures", Json::array({"LlamaForCausalLM"}));
  config.set("model_type", "llama");
  for (const auto& [key, value] :
       {std::pair("hidden_size", header.dim), std::pair("intermediate_size", header.hidden),
        std::pair("num_hidden_layers", header.layers), std::pair("num_attention_heads", header.heads),
        std::pair("num_key_value_heads", header.kv_heads), std::pair("vocab_size", header.vocabulary),
        std::pair("max_position_embeddings", header.positions)})
    config.set(key, value);
  config.set("hidden_act", "silu");
  config.set("tie_word_embeddings", !header.has_head);
  config.set("torch_dtype", "float32");
  return config;
}

bool probe_llama2c(const fs::path& path) {
  std::error_code ec;
  if (!fs::is_regular_file(path, ec)) return false;
  const File file(path);
  const auto header = read_header(file);
  if (!header) return false;
  if (header->version != 0) return true;
  return fault_of(*header).empty() && place_tensors(*header, file.size());
}

Checkpoint open_llama2c(const fs::path& path) {
  const File file(path);
  Checkpoint::Contents contents{"llama2c", path, {{path, file.size()}}, {}, {}, {}};
  with_context(fmt::format("while reading {}", path.string()), [&] {
    const Header header = read_header(file).value_or(Header{});
    if (header.version >= std::size(kVersions))
      fail(ErrorCode::kInput, "it is a llama2.c checkpoint of version {}; 0, 1 and 2 are read", header.version);
    if (const std::string fault = fault_of(header); !fault.empty())
      fail(ErrorCode::kInput, "the header of a llama2.c checkpoint is damaged: {}", fault);
    if (header.version == 2 && (header.group == 0 || header.group > INT32_MAX))
      fail(ErrorCode::kInput, "the header of a llama2.c checkpoint is damaged: groups of {}", header.group);
    const auto placed = place_tensors(header, file.size());
    if (!placed)
      fail(ErrorCode::kInput,
           "{} layers of width {} and {} pieces do not end where the file does, at byte {}: it is cut short or "
           "damaged; download it again",
           header.layers, header.dim, header.vocabulary, file.size());
    for (const Placed& tensor : *placed) contents.tensors.push_back(entry_of(header, tensor));
    add_hf_companions(path.parent_path(), contents);
    contents.config = config_of(header, std::move(contents.config));
  });
  return Checkpoint(std::move(contents));
}

// Of all its tensors and the header. REQUIRES: looks_right.
std::uint64_t whole_bytes(const Header& header) {
  std::uint64_t bytes = kOldHeaderBytes;
  for (const Kind* kind : kVersions[0]) {
    if (kind == &kHead && !header.has_head) continue;
    std::uint64_t count = header.*kind->cols * (kind->rows ? header.*kind->rows : 1);
    if (kind == &kRotary) count = header.positions * (header.dim / header.heads);
    bytes += count * sizeof(float) * (kind->is_layered() ? header.layers : 1);
  }
  return bytes;
}

// Numbers that a language model may have: without a magic number a file must look right in all of them.
bool looks_right(const Header& header) {
  constexpr std::uint64_t kMostDim = 1 << 15, kMostLayers = 256, kLeastVocabulary = 64, kMostVocabulary = 1 << 19,
                          kLeastPositions = 16, kMostPositions = 1 << 20, kMostWider = 16;
  return header.version == 0 && fault_of(header).empty() && header.dim <= kMostDim && header.hidden >= header.dim &&
         header.hidden <= kMostWider * header.dim && header.layers <= kMostLayers &&
         header.vocabulary >= kLeastVocabulary && header.vocabulary <= kMostVocabulary &&
         header.positions >= kLeastPositions && header.positions <= kMostPositions;
}

}  // namespace

std::string damaged_llama2c(const fs::path& path) {
  const File file(path);
  const auto header = read_header(file);
  if (!header || !looks_right(*header)) return {};
  const std::uint64_t whole = whole_bytes(*header);
  return fmt::format(
      "{} looks like a llama2.c checkpoint ({} layers of width {}, {} pieces), which has {} bytes, and it has {}: it "
      "is "
      "{}; download it again",
      path.string(), header->layers, header->dim, header->vocabulary, whole, file.size(),
      file.size() < whole ? "cut short" : "damaged, or followed by something else");
}

const Format kLlama2c = {.name = "llama2c",
                         .summary = "a .bin file of llama2.c",
                         .loaded_by = "llama2.c's run and runq",
                         .probe = probe_llama2c,
                         .open = open_llama2c};

}  // namespace quern
