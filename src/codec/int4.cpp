// int4_gN and int4a_gN: groups of N = 32, 64 or 128 weights of a row under one bfloat16 scale, in planes.
//   codes   N / 2 bytes a group: codes 0..15, two a byte, the first in the low four bits
//   scales  2 bytes a group: the scale, bfloat16
//   zeros   int4a only, 1 byte a group: the zero point 0..15
// Code q stands for scale * (q - zero); without stored zero points the zero is 8. A group of zeros (or of nothing above
// 1e-37) has scale 0. A container may store the zero points in 4 bits each (Codec::stored_bytes counts them so).
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "search/int4_search.h"

namespace quern {
namespace {

constexpr int kSymmetricZero = 8;
constexpr std::uint64_t kRowsPerWord = 8;  // zero points of eight rows share a 32-bit word
constexpr CodecPlane kPlanes[] = {{"codes", 0, 4}, {"scales", 2}, {"zeros", 1}};

struct Side {
  std::uint16_t scale;  // bfloat16
  std::uint16_t zero;
};

bool stores_zeros(const Codec& codec) { return codec.planes.size() == std::size(kPlanes); }

void fit(const Codec& codec, std::span<const float> weights, std::span<const float> importance, std::byte* side) {
  const ScaledRow row = make_scaled_row(weights, importance);
  const Bf16Grid grid = stores_zeros(codec) ? fit_int4_affine(row) : fit_int4_symmetric(row);
  store(side, Side{grid.scale, static_cast<std::uint16_t>(stores_zeros(codec) ? grid.zero : kSymmetricZero)});
}

void round(const Codec&, const std::byte* side, std::uint32_t, std::span<const float> weights, std::span<const float>,
           std::span<std::int32_t> codes, std::span<float> values) {
  const Side group = load<Side>(side);
  const float scale = bf16_to_f32(group.scale), inverse = scale != 0 ? 1.0f / scale : 0.0f;
  const auto zero = static_cast<float>(group.zero);
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const float code = nearest_code(weights[k] * inverse + zero, 0.0f, 15.0f);
    codes[k] = static_cast<std::int32_t>(code);
    if (!values.empty()) values[k] = scale * (code - zero);
  }
}

void pack(const Codec& codec, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  const Side group = load<Side>(side);
  for (std::size_t k = 0; k < codes.size(); k += 2)
    planes[0][k / 2] = static_cast<std::byte>(codes[k] | codes[k + 1] << 4);
  store(planes[1], group.scale);
  if (stores_zeros(codec)) planes[2][0] = static_cast<std::byte>(group.zero);
}

void decode(const Codec& codec, ConstPlanePointers planes, std::span<float> out) {
  const float scale = bf16_to_f32(load<std::uint16_t>(planes[1]));
  const int zero = stores_zeros(codec) ? std::to_integer<int>(planes[2][0]) : kSymmetricZero;
  for (std::size_t k = 0; k < out.size(); k += 2) {
    const int pair = std::to_integer<int>(planes[0][k / 2]);
    out[k] = scale * static_cast<float>((pair & 15) - zero);
    out[k + 1] = scale * static_cast<float>((pair >> 4) - zero);
  }
}

// Zero points fill whole words of eight rows.
std::uint64_t affine_bytes(const Codec& codec, std::uint64_t rows, std::uint64_t cols) {
  const std::uint64_t words = (rows + kRowsPerWord - 1) / kRowsPerWord, group = codec.block;
  return rows * (cols / group) * (group / 2 + 2) + words * (cols / group) * 4;
}

enum class Zeros { kFixed, kStored };

constexpr Codec int4(const char* name, const char* summary, std::uint32_t group, Zeros zeros) {
  const bool stored = zeros == Zeros::kStored;
  Codec codec = {.name = name,
                 .summary = summary,
                 .bits_per_weight = 4.0 + (stored ? 20.0 : 16.0) / group,
                 .block = group,
                 .planes = std::span(kPlanes).first(stored ? 3 : 2),
                 .side_bytes = sizeof(Side),
                 .fit = fit,
                 .round = round,
                 .pack = pack,
                 .decode = decode};
  if (stored) codec.stored_bytes_of = affine_bytes;
  return codec;
}

constexpr Codec kRows[] = {
    int4("int4a_g32", "4-bit codes, one bfloat16 scale and zero point of 32 weights", 32, Zeros::kStored),
    int4("int4_g32", "4-bit codes, one bfloat16 scale of 32 weights", 32, Zeros::kFixed),
    int4("int4a_g64", "4-bit codes, one bfloat16 scale and zero point of 64 weights", 64, Zeros::kStored),
    int4("int4_g64", "4-bit codes, one bfloat16 scale of 64 weights", 64, Zeros::kFixed),
    int4("int4a_g128", "4-bit codes, one bfloat16 scale and zero point of 128 weights", 128, Zeros::kStored),
    int4("int4_g128", "4-bit codes, one bfloat16 scale of 128 weights", 128, Zeros::kFixed)};

}  // namespace

constinit const std::span<const Codec> kInt4 = kRows;

}  // namespace quern
