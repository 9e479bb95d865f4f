// int4_gN and int4a_gN: groups of N = 32, 64 or 128 weights of a row under one bfloat16 scale, in planes.
//   codes   N / 2 bytes a group: codes 0..15, two a byte, the first in the low four bits
//   scales  2 bytes a group: the scale, bfloat16
//   zeros   int4a only, 1 byte a group: the zero point 0..15
// Code q stands for scale * (q - zero); without stored zero points the zero is 8. A group of zeros (or of nothing above
// 1e-37) has scale 0. A container may store the zero points in 4 bits each (Codec::stored_bytes counts them so).
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "codec/int4_search.h"

namespace quern {
namespace {

constexpr int kSymmetricZero = 8;
constexpr std::uint64_t kRowsPerWord = 8;  // zero points of eight rows share a 32-bit word

struct Side {
  std::uint16_t scale;  // bfloat16
  std::uint16_t zero;
};

void fit_symmetric(std::span<const float> weights, std::span<const float> importance, std::byte* side) {
  const Bf16Grid grid = fit_int4_symmetric(make_scaled_row(weights, importance));
  store(side, Side{grid.scale, kSymmetricZero});
}

void fit_affine(std::span<const float> weights, std::span<const float> importance, std::byte* side) {
  const Bf16Grid grid = fit_int4_affine(make_scaled_row(weights, importance));
  store(side, Side{grid.scale, static_cast<std::uint16_t>(grid.zero)});
}

void round(const std::byte* side, std::uint32_t, std::span<const float> weights, std::span<std::int32_t> codes,
           std::span<float> values) {
  const Side group = load<Side>(side);
  const float scale = bf16_to_f32(group.scale), inverse = scale != 0 ? 1.0f / scale : 0.0f;
  const auto zero = static_cast<float>(group.zero);
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const float code = nearest_code(weights[k] * inverse + zero, 0.0f, 15.0f);
    codes[k] = static_cast<std::int32_t>(code);
    if (!values.empty()) values[k] = scale * (code - zero);
  }
}

void pack_codes(const std::byte* side, std::span<const std::int32_t> codes, const PlanePointers& planes) {
  for (std::size_t k = 0; k < codes.size(); k += 2)
    planes[0][k / 2] = static_cast<std::byte>(codes[k] | codes[k + 1] << 4);
  store(planes[1], load<Side>(side).scale);
}

void pack_symmetric(const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  pack_codes(side, codes, planes);
}

void pack_affine(const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  pack_codes(side, codes, planes);
  planes[2][0] = static_cast<std::byte>(load<Side>(side).zero);
}

void decode_codes(const ConstPlanePointers& planes, int zero, std::span<float> out) {
  const float scale = bf16_to_f32(load<std::uint16_t>(planes[1]));
  for (std::size_t k = 0; k < out.size(); k += 2) {
    const int pair = std::to_integer<int>(planes[0][k / 2]);
    out[k] = scale * static_cast<float>((pair & 15) - zero);
    out[k + 1] = scale * static_cast<float>((pair >> 4) - zero);
  }
}

void decode_symmetric(ConstPlanePointers planes, std::span<float> out) { decode_codes(planes, kSymmetricZero, out); }

void decode_affine(ConstPlanePointers planes, std::span<float> out) {
  decode_codes(planes, std::to_integer<int>(planes[2][0]), out);
}

template <std::uint32_t kGroup>
constexpr CodecPlane kSymmetricPlanes[] = {{"codes", kGroup / 2, 0}, {"scales", 2, 0}};
template <std::uint32_t kGroup>
constexpr CodecPlane kAffinePlanes[] = {{"codes", kGroup / 2, 0}, {"scales", 2, 0}, {"zeros", 1, 0}};

// Zero points fill whole words of eight rows.
template <std::uint32_t kGroup>
std::uint64_t affine_bytes(std::uint64_t rows, std::uint64_t cols) {
  const std::uint64_t groups = cols / kGroup, words = (rows + kRowsPerWord - 1) / kRowsPerWord;
  return rows * groups * (kGroup / 2 + 2) + words * groups * 4;
}

template <std::uint32_t kGroup>
constexpr Codec symmetric(const char* name, const char* summary) {
  return {name,          summary, 4.0 + 16.0 / kGroup, kGroup,          kSymmetricPlanes<kGroup>, sizeof(Side),
          fit_symmetric, round,   pack_symmetric,      decode_symmetric};
}

template <std::uint32_t kGroup>
constexpr Codec affine(const char* name, const char* summary) {
  Codec codec = {name,       summary, 4.0 + 20.0 / kGroup, kGroup,       kAffinePlanes<kGroup>, sizeof(Side),
                 fit_affine, round,   pack_affine,         decode_affine};
  codec.stored_bytes_of = affine_bytes<kGroup>;
  return codec;
}

}  // namespace

const Codec kInt4G32 = symmetric<32>("int4_g32", "4-bit codes, one bfloat16 scale of 32 weights");
const Codec kInt4G64 = symmetric<64>("int4_g64", "4-bit codes, one bfloat16 scale of 64 weights");
const Codec kInt4G128 = symmetric<128>("int4_g128", "4-bit codes, one bfloat16 scale of 128 weights");
const Codec kInt4aG32 = affine<32>("int4a_g32", "4-bit codes, one bfloat16 scale and zero point of 32 weights");
const Codec kInt4aG64 = affine<64>("int4a_g64", "4-bit codes, one bfloat16 scale and zero point of 64 weights");
const Codec kInt4aG128 = affine<128>("int4a_g128", "4-bit codes, one bfloat16 scale and zero point of 128 weights");

}  // namespace quern
