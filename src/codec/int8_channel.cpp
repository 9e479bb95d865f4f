// int8_channel: a row (an output channel) under one scale, in two planes.
//   codes   1 byte a weight: q + 128 with q in -127..127
//   scales  2 bytes a row: the scale, bfloat16
// Code q stands for scale * q. A row of zeros (or nothing above 1e-36) has scale 0.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "codec/grid_search.h"

namespace quern {
namespace {

constexpr int kZero = 128;
constexpr CodeRange kRange = {-127.0f, 127.0f};
constexpr CodecPlane kPlanes[] = {{"codes", 0, 1}, {"scales", 2, 0}};

constexpr int kLeastBf16 = 0x0080, kLargestBf16 = 0x7f7f;  // normal numbers: their reciprocals are finite

// A row made safe, in units of a power of two so that no square overflows.
struct Row {
  std::vector<float> x, w;
  float unit = 1, largest = 0;  // x = weight * unit; largest is that of the weights
};

struct Candidate {
  std::uint16_t scale = 0;  // bfloat16
  double error = std::numeric_limits<double>::infinity();
};

// Scales that are neighbours in bfloat16 are neighbours as integers: 128 of them to a factor of two.
void try_scales(const Row& row, int first, int step, Candidate& best) {
  constexpr std::size_t kRun = 256;  // summed in float, then added in double
  const std::span<const float> x = row.x, w = row.w;
  std::array<std::uint16_t, kLanes> bits;
  Lanes scale;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    bits[lane] =
        static_cast<std::uint16_t>(std::clamp(first + static_cast<int>(lane) * step, kLeastBf16, kLargestBf16));
    scale[lane] = bf16_to_f32(bits[lane]) * row.unit;
  }
  std::array<double, kLanes> errors{};
  for (std::size_t k = 0; k < x.size(); k += kRun) {
    const std::size_t count = std::min(kRun, x.size() - k);
    const Lanes run = grid_errors(x.subspan(k, count), w.subspan(k, count), {scale, Lanes{}}, kRange);
    for (std::size_t lane = 0; lane < kLanes; ++lane) errors[lane] += run[lane];
  }
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    if (errors[lane] < best.error) best = {bits[lane], errors[lane]};
  }
}

Row prepare(std::span<const float> weights, std::span<const float> importance) {
  Row row{.x = std::vector<float>(weights.begin(), weights.end()), .w = std::vector<float>(weights.size())};
  for (float& value : row.x) {
    if (!std::isfinite(value)) value = 0;
    row.largest = std::max(row.largest, std::abs(value));
  }
  if (row.largest > 0) row.unit = std::ldexp(1.0f, std::clamp(-std::ilogb(row.largest), -126, 126));
  for (float& value : row.x) value *= row.unit;
  make_searchable(row.x, importance, row.x, row.w);
  return row;
}

// The scale of the largest weight first, so that nothing worse is ever kept; then coarse steps over a factor of four
// below it (a few outliers may be cut), then every neighbour of the best.
void fit(std::span<const float> weights, std::span<const float> importance, std::byte* side) {
  const Row row = prepare(weights, importance);
  Candidate best;
  const int whole = f32_to_bf16(row.largest / kRange.high);
  if (whole >= kLeastBf16) {
    constexpr int kStep = 6, kReach = 264;
    try_scales(row, whole, 1, best);
    for (int first = whole - kReach; first < whole; first += 8 * kStep) try_scales(row, first, kStep, best);
    const int centre = best.scale;
    try_scales(row, centre - 8, 1, best);
    try_scales(row, centre + 1, 1, best);
  }
  store(side, best.scale);
}

void round(const std::byte* side, std::uint32_t, std::span<const float> weights, std::span<std::int32_t> codes,
           std::span<float> values) {
  const float scale = bf16_to_f32(load<std::uint16_t>(side)), inverse = scale != 0 ? 1.0f / scale : 0.0f;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const float code = nearest_code(weights[k] * inverse, kRange.low, kRange.high);
    codes[k] = static_cast<std::int32_t>(code) + kZero;
    if (!values.empty()) values[k] = scale * code;
  }
}

void pack(const std::byte* side, std::span<const std::int32_t> codes, std::array<std::byte*, kMaxPlanes> planes) {
  for (std::size_t k = 0; k < codes.size(); ++k) planes[0][k] = static_cast<std::byte>(codes[k]);
  store(planes[1], load<std::uint16_t>(side));
}

void decode(std::array<const std::byte*, kMaxPlanes> planes, std::span<float> out) {
  const float scale = bf16_to_f32(load<std::uint16_t>(planes[1]));
  for (std::size_t k = 0; k < out.size(); ++k) {
    out[k] = scale * static_cast<float>(std::to_integer<int>(planes[0][k]) - kZero);
  }
}

}  // namespace

const Codec kInt8Channel = {"int8_channel",
                            "8-bit codes, one bfloat16 scale of a row",
                            8.0,
                            0,
                            kPlanes,
                            sizeof(std::uint16_t),
                            fit,
                            round,
                            pack,
                            decode};

}  // namespace quern
