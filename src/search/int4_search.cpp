// Ladders of scales judged by their exact errors: small steps where the best scale of a Gaussian group lies, larger
// ones down to about a quarter of the scale that cuts nothing (for groups in which large weights matter little), then
// every neighbour of the best.
#include "search/int4_search.h"

#include <algorithm>
#include <array>

#include "base/scalars.h"

namespace quern {
namespace {

constexpr CodeRange kSigned = {-8.0f, 7.0f}, kUnsigned = {0.0f, 15.0f};
constexpr std::uint16_t kSignBit = 0x8000;
constexpr int kMiddle = 8;  // code 0 of kSigned in kUnsigned

// In steps of bfloat16 relative to the scale that cuts nothing.
struct Ladder {
  int first, last, step;
};

std::array<int, kLanes> all_zeros_at(int zero) {
  std::array<int, kLanes> zeros;
  zeros.fill(zero);
  return zeros;
}

}  // namespace

Bf16Grid fit_int4_symmetric(const ScaledRow& group) {
  constexpr Ladder kLadders[] = {{-168, 23, 3}, {-296, -169, 8}};
  Bf16Grid best;
  const int whole = f32_to_bf16(group.largest / kSigned.high);
  if (whole < kLeastBf16) return {};
  for (const std::uint16_t sign : {std::uint16_t{0}, kSignBit}) {
    try_bf16_scales(group, kSigned, whole, 1, sign, best);
    for (const Ladder& ladder : kLadders)
      for (int at = ladder.first; at < ladder.last; at += 8 * ladder.step)
        try_bf16_scales(group, kSigned, whole + at, ladder.step, sign, best);
  }
  const auto sign = static_cast<std::uint16_t>(best.scale & kSignBit);
  const int centre = best.scale & ~kSignBit;
  try_bf16_scales(group, kSigned, centre - 8, 1, sign, best);
  try_bf16_scales(group, kSigned, centre + 1, 1, sign, best);
  return best;
}

Bf16Grid fit_int4_affine(const ScaledRow& group) {
  constexpr Ladder kLadders[] = {{-132, 12, 6}, {-292, -132, 16}};
  Bf16Grid best = fit_int4_symmetric(group);
  // The mirror image of a negative scale: code q becomes 15 - q.
  best.zero = best.scale & kSignBit ? kMiddle - 1 : kMiddle;
  best.scale = static_cast<std::uint16_t>(best.scale & ~kSignBit);
  const auto [least, most] = std::minmax_element(group.x.begin(), group.x.end());
  const float low = std::min(*least, 0.0f), high = std::max(*most, 0.0f), middle = (low + high) / 2;
  const int whole = f32_to_bf16((high - low) / kUnsigned.high / group.unit);
  if (whole < kLeastBf16) return best;
  for (const Ladder& ladder : kLadders)
    for (int at = ladder.first; at <= ladder.last; at += ladder.step) {
      const int bits = std::clamp(whole + at, kLeastBf16, kLargestBf16);
      const float scale = bf16_to_f32(static_cast<std::uint16_t>(bits)) * group.unit;
      const int centre = static_cast<int>(std::clamp(kUnsigned.high / 2 - middle / scale, 0.0f, 15.0f));
      std::array<int, kLanes> zeros;
      for (int lane = 0; lane < static_cast<int>(kLanes); ++lane)
        zeros[static_cast<std::size_t>(lane)] = std::clamp(centre - 3 + lane, 0, 15);
      try_bf16_grids(group, kUnsigned, bits, 0, 0, zeros, best);
    }
  const Bf16Grid coarse = best;
  for (int zero = std::max(0, coarse.zero - 1); zero <= std::min(15, coarse.zero + 1); ++zero)
    for (const int first : {-8, 0})
      try_bf16_grids(group, kUnsigned, coarse.scale + first, 1, 0, all_zeros_at(zero), best);
  return best;
}

}  // namespace quern
