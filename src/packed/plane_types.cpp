// Tensors to planes by their names, and back.
#include "packed/plane_types.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/fail.h"
#include "checkpoint/open_files.h"
#include "packed/quantized_modules.h"

namespace quern {
namespace {

constexpr std::string_view kMethod = "quern", kShape = "shape";
constexpr std::uint64_t kMostAxes = 8;
constexpr std::string_view kLossless[] = {"rows", "offsets", "table"};
constexpr std::string_view kHyper[] = {"codes", "grid"}, kHyperCoded[] = {"rows", "offsets", "grid"};
constexpr std::string_view kTernary[] = {"codes", "scale"};
constexpr std::string_view kSeedVectors[] = {"vectors", "exponent"}, kSeedRows[] = {"rows", "offsets", "table"};
constexpr std::string_view kVptq[] = {"indices", "codebook"};

// A tensor T.CODEC.PLANE, taken apart.
struct PlaneName {
  std::string tensor;
  const PlaneEncoding* encoding = nullptr;
  std::string_view plane;
};

std::optional<PlaneName> plane_name(std::string_view name) {
  const std::size_t dot = name.rfind('.'), before = dot == 0 ? dot : name.rfind('.', dot - 1);
  if (dot == std::string_view::npos || before == std::string_view::npos) return std::nullopt;
  const std::string_view plane = name.substr(dot + 1);
  const PlaneEncoding* encoding = find_plane_encoding(name.substr(before + 1, dot - before - 1));
  if (!encoding || (plane != kShape && std::ranges::find(encoding->planes, plane) == encoding->planes.end()))
    return std::nullopt;
  return PlaneName{std::string(name.substr(0, before)), encoding, plane};
}

std::string full_name(const std::string& tensor, const PlaneEncoding& encoding, std::string_view plane) {
  return fmt::format("{}.{}.{}", tensor, encoding.name, plane);
}

using Table = std::map<std::string, const TensorEntry*, std::less<>>;

const TensorEntry& member(const Table& table, const std::string& name, std::string_view type) {
  const auto at = table.find(name);
  if (at == table.end()) fail(ErrorCode::kInput, "{} is missing", name);
  const TensorEntry& entry = *at->second;
  if (entry.encoding != type || entry.shape.size() != 1)
    fail(ErrorCode::kInput, "{} is {} {}, but one axis of {} was expected", name, entry.encoding,
         to_string(entry.shape), type);
  return entry;
}

Shape read_shape(const Table& table, OpenFiles& files, const std::string& name) {
  const TensorEntry& entry = member(table, name, "i64");
  if (entry.shape[0] > kMostAxes) fail(ErrorCode::kInput, "{} has {} axes", name, entry.shape[0]);
  Shape shape(entry.shape[0]);
  files.open(entry.parts[0].file)->read(entry.parts[0].offset, std::as_writable_bytes(std::span(shape)));
  with_context(name, [&] { element_count(shape); });
  return shape;
}

TensorEntry join(const PlaneName& name, const Table& table, OpenFiles& files) {
  const PlaneEncoding& encoding = *name.encoding;
  if (table.contains(name.tensor))
    fail(ErrorCode::kInput, "{} is stored twice, plain and as {}", name.tensor, encoding.name);
  TensorEntry joined{
      name.tensor, read_shape(table, files, full_name(name.tensor, encoding, kShape)), std::string(encoding.name), {}};
  for (const std::string_view plane : encoding.planes)
    joined.parts.push_back(member(table, full_name(name.tensor, encoding, plane), "u8").parts[0]);
  if (encoding.offsets.empty()) return joined;
  const std::string offsets = full_name(name.tensor, encoding, encoding.offsets);
  const std::uint64_t bytes = table.find(offsets)->second->parts[0].bytes, rows = row_layout(joined.shape).rows;
  if (bytes % sizeof(std::uint64_t) != 0 || bytes / sizeof(std::uint64_t) == 0 ||
      bytes / sizeof(std::uint64_t) - 1 != rows)
    fail(ErrorCode::kInput, "{} has {} bytes, but {} rows were expected to take 8 each and 8 more", offsets, bytes,
         rows);
  return joined;
}

}  // namespace

std::vector<PlaneEncoding> built_in_plane_encodings() {
  return {{"lossless_bf16", kLossless, "offsets"},
          {"lossless_f16", kLossless, "offsets"},
          {"lossless_f32", kLossless, "offsets"},
          {"hyper_1600", kHyper},
          {"hyper_1600_l01", kHyper},
          {"hyper_1600_l08", kHyper},
          {"hyper_225", kHyper},
          {"hyper_225_l01", kHyper},
          {"hyper_1600_rans", kHyperCoded, "offsets"},
          {"hyper_225_rans", kHyperCoded, "offsets"},
          {"hyper_225_l01_rans", kHyperCoded, "offsets"},
          {"ternary_2bit", kTernary},
          {"ternary_b3", kTernary},
          {"i2_s", kTernary},
          {"i2_s_rows", kTernary},
          {"seedlm_4", kSeedVectors},
          {"seedlm_4_paper", kSeedVectors},
          {"seedlm_3", kSeedVectors},
          {"seedlm_4w", kSeedRows, "offsets"},
          {"seedlm_3w", kSeedRows, "offsets"},
          {"vptq_v6_k4096_r4096", kVptq},
          {"vptq_v3_k4096", kVptq},
          {"vptq_v4_k256_r256", kVptq},
          {"vptq_v2_k256", kVptq},
          {"vptq_v4_k4096", kVptq},
          {"vptq_v3_k512", kVptq},
          {"vptq_v2_k64", kVptq},
          {"vptq_v4_k256_o256", kVptq},
          {"vptq_v6_k4096", kVptq},
          {"vptq_v4_k256", kVptq},
          {"vptq_v3_k64", kVptq},
          {"vptq_v2_k16", kVptq},
          {"vptq_v8_k4096", kVptq},
          {"vptq_v8_k256", kVptq}};
}

std::span<const PlaneEncoding> plane_encodings() {
  static const std::vector<PlaneEncoding> all = list_plane_encodings();
  return all;
}

const PlaneEncoding* find_plane_encoding(std::string_view name) {
  const auto at = std::ranges::find(plane_encodings(), name, &PlaneEncoding::name);
  return at == plane_encodings().end() ? nullptr : &*at;
}

void join_plane_tensors(Checkpoint::Contents& contents) {
  std::vector<TensorEntry>& tensors = contents.tensors;
  if (std::ranges::none_of(tensors, [](const TensorEntry& tensor) { return plane_name(tensor.name).has_value(); }))
    return;
  OpenFiles files(paths_of(contents.files));
  Table table;
  for (const TensorEntry& tensor : tensors) table.emplace(tensor.name, &tensor);
  std::map<std::string, PlaneName> stored;  // by name of the tensor
  std::vector<TensorEntry> joined;
  for (const TensorEntry& tensor : tensors) {
    const std::optional<PlaneName> name = plane_name(tensor.name);
    if (!name) {
      joined.push_back(tensor);
      continue;
    }
    const auto [at, is_new] = stored.emplace(name->tensor, *name);
    if (at->second.encoding != name->encoding)
      fail(ErrorCode::kInput, "{} is stored twice, as {} and as {}", name->tensor, at->second.encoding->name,
           name->encoding->name);
    if (is_new) joined.push_back(join(*name, table, files));
  }
  tensors = std::move(joined);
}

StoredLayout lay_out_planes(const TensorSpec& tensor, const PlaneEncoding& encoding) {
  ensure(tensor.part_bytes.size() == encoding.planes.size(), "tensor {} was announced with {} parts", tensor.name,
         tensor.part_bytes.size());
  StoredLayout layout;
  for (std::size_t p = 0; p < encoding.planes.size(); ++p)
    layout.add_part(full_name(tensor.name, encoding, encoding.planes[p]), "u8", {tensor.part_bytes[p]});
  layout.add_constant(full_name(tensor.name, encoding, kShape), "i64", {tensor.shape.size()},
                      std::as_bytes(std::span(tensor.shape)));
  return layout;
}

bool declares_planes(const Json& config) {
  const Json* quantization = find_quantization(config);
  return quantization && member_text(*quantization, "quant_method") == kMethod;
}

Json with_plane_config(const Json& config) {
  Json out = without_quantization(config);
  if (out.is_null()) return out;
  out.set("quantization_config", Json::object({{"quant_method", std::string(kMethod)}}));
  return out;
}

}  // namespace quern
