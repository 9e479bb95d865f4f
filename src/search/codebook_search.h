// Scales for formats whose 16 codes stand for values that are not evenly spaced: code q of a block stands for
// scale * values[q]. Shared by iq4_nl and iq4_xs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "search/lanes.h"

namespace quern {

inline constexpr std::size_t kCodebookSize = 16;
inline constexpr std::size_t kCodebookSlots = kCodebookSize + 1;

// Slot c lies between the codes lower[c] and upper[c], and cuts[c] halfway: slot 0 below the first code, slot 16 above
// the last.
struct Codebook {
  std::array<float, kCodebookSize> values{};  // ascending
  std::array<float, kCodebookSlots> cuts{}, lower{}, upper{};
  // Two cuts on one side of zero are at least this factor apart: under scales that differ by less, a weight can have
  // two codes at most.
  float reach = std::numeric_limits<float>::infinity();
};

constexpr Codebook make_codebook(const std::array<float, kCodebookSize>& values) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  Codebook book{.values = values};
  for (std::size_t c = 0; c < kCodebookSlots; ++c) {
    book.lower[c] = values[c > 0 ? c - 1 : 0];
    book.upper[c] = values[c < kCodebookSize ? c : kCodebookSize - 1];
    book.cuts[c] = c == 0 ? -kInfinity : c == kCodebookSize ? kInfinity : 0.5f * (book.lower[c] + book.upper[c]);
  }
  for (std::size_t c = 1; c + 2 < kCodebookSlots; ++c) {
    const float a = book.cuts[c], b = book.cuts[c + 1], ratio = a > 0 ? b / a : b < 0 ? a / b : kInfinity;
    if (ratio < book.reach) book.reach = ratio;
  }
  return book;
}

// A choice of codes, by the scale of least squares for it: under another scale s its squared error is
// error + curvature * (s - scale)^2.
struct CodeFit {
  float scale = 0, error = std::numeric_limits<float>::infinity(), curvature = 0;
};

inline constexpr std::size_t kCodeFits = 3;
using CodeFits = std::array<CodeFit, kCodeFits>;

// The best choices of codes on a dense ladder of scales of both signs, best first; fewer than kCodeFits leave infinite
// errors behind. REQUIRES: book.reach > kCodebookScaleSpan; x and w from make_searchable, of the same size, a multiple
// of 8 up to 64.
inline constexpr float kCodebookScaleSpan = 1.23f;
CodeFits find_code_fits(const Codebook& book, std::span<const float> x, std::span<const float> w);

// A scale judged with every weight on its nearest code: the sums of w (x - scale v)^2, w x v and w v^2.
struct ScaleJudgement {
  float error = std::numeric_limits<float>::infinity(), xv = 0, vv = 0;
};
ScaleJudgement judge_scale(const Codebook& book, std::span<const float> x, std::span<const float> w, float scale);

// Nearest codes, ties to the lower, and scale * values[code] of each (`values` may be empty). A NaN gets code 0.
void round_codebook(const Codebook& book, float scale, std::span<const float> weights, std::span<std::int32_t> codes,
                    std::span<float> values);

}  // namespace quern
