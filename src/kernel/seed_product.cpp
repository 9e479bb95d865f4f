// Rows of SeedLM. A register shifts, so the states that follow a seed are windows of one row of bits: four weights come
// from 32 of them, shifted by as much as each weight has coefficients. Two quads of weights fill 8 lanes.
#include <utility>

#include "base/bytes.h"
#include "base/fail.h"
#include "codec/seed_rows.h"
#include "kernel/dot_kernels.h"
#include "search/lanes.h"

namespace quern {
namespace {

constexpr std::size_t kQuad = 4, kPairs = 256, kExponents = 16, kTogether = 4;

// Two coefficients of 4 bits as two of 16.
const std::array<std::uint32_t, kPairs>& coefficient_pairs() {
  static const std::array<std::uint32_t, kPairs> all = [] {
    std::array<std::uint32_t, kPairs> pairs{};
    const auto widened = [](std::uint32_t nibble) { return static_cast<std::uint16_t>((nibble ^ 8) - 8); };
    for (std::uint32_t byte = 0; byte < kPairs; ++byte)
      pairs[byte] = widened(byte & 15) | std::uint32_t{widened(byte >> 4)} << 16;
    return pairs;
  }();
  return all;
}

#if defined(QUERN_LANES_AVX2)
// By hand: g++ 12 fills such lanes one by one.
IntLanes quads_of(const std::uint32_t& low, const std::uint32_t& high) {
  const auto four = [](const std::uint32_t& value) { return _mm_set1_epi32(static_cast<int>(value)); };
  return reinterpret_cast<IntLanes>(&low == &high ? _mm256_set1_epi32(static_cast<int>(low))
                                                  : _mm256_set_m128i(four(high), four(low)));
}
Lanes quads_of(const float& low, const float& high) {
  return &low == &high ? _mm256_set1_ps(low) : _mm256_set_m128(_mm_set1_ps(high), _mm_set1_ps(low));
}

// a[2 i] * b[2 i] + a[2 i + 1] * b[2 i + 1] in 16 bits each, where a is `even` and `odd` bits behind its word's first,
// less 32768.
template <unsigned even, unsigned odd>
__m256i weighed(__m256i words, __m256i coefficients) {
  const __m256i states = _mm256_blend_epi16(_mm256_srli_epi32(words, even), _mm256_slli_epi32(words, 16 - odd), 0xaa);
  return _mm256_madd_epi16(_mm256_xor_si256(states, _mm256_set1_epi16(-32768)), coefficients);
}

// The sums of states and coefficients of 8 weights, from the windows of two quads.
template <std::size_t kCoefficients>
Lanes sums_of(IntLanes windows, IntLanes first, IntLanes second) {
  constexpr int k = kCoefficients;
  const __m256i shifts = _mm256_setr_epi32(1, 1 + k, 1 + 2 * k, 1 + 3 * k, 1, 1 + k, 1 + 2 * k, 1 + 3 * k);
  const __m256i words = _mm256_srlv_epi32(reinterpret_cast<__m256i>(windows), shifts);
  return _mm256_cvtepi32_ps(_mm256_add_epi32(weighed<0, 1>(words, reinterpret_cast<__m256i>(first)),
                                             weighed<2, 3>(words, reinterpret_cast<__m256i>(second))));
}
#else
IntLanes quads_of(const std::uint32_t& low, const std::uint32_t& high) {
  const auto a = static_cast<std::int32_t>(low), b = static_cast<std::int32_t>(high);
  return IntLanes{a, a, a, a, b, b, b, b};
}
Lanes quads_of(const float& a, const float& b) { return Lanes{a, a, a, a, b, b, b, b}; }

template <std::size_t kCoefficients>
Lanes sums_of(IntLanes windows, IntLanes first, IntLanes second) {
  Lanes sums;
  for (std::size_t l = 0; l < kLanes; ++l) {
    const auto word = static_cast<std::uint32_t>(windows[l]) >> (1 + kCoefficients * (l % kQuad));
    const auto state = [&](unsigned p) { return static_cast<std::int32_t>(word >> p & 0xffff) - 32768; };
    const auto low = [](std::int32_t pair) { return static_cast<std::int16_t>(pair); };
    sums[l] = static_cast<float>(state(0) * low(first[l]) + state(1) * (first[l] >> 16) + state(2) * low(second[l]) +
                                 state(3) * (second[l] >> 16));
  }
  return sums;
}
#endif

template <std::size_t kLength, std::size_t kCoefficients>
class Seeds {
 public:
  Seeds(const Codec& codec, std::size_t cols)
      : codec_(codec),
        count_((cols + kLength - 1) / kLength),
        windows_(round_up(count_, 2) * kQuads),
        first_(round_up(count_, 2)),
        second_(first_.size()),
        steps_(first_.size()) {
    for (std::size_t e = 0; e < kExponents; ++e)
      of_exponent_[e] = static_cast<float>(seed_step(static_cast<int>(e ^ 8) - 8 + seed_exponent(codec)));
  }

  static void product(const DotRows& w, const DotOperand& x, MutableMatrixView y) {
    Seeds seeds(*w.codec, w.cols);
    for (std::size_t r = 0; r < w.rows; ++r) {
      seeds.read({w.planes[0] + r * w.strides[0], w.strides[0]});
      std::size_t t = 0;
      for (; t + kTogether <= x.tokens; t += kTogether) seeds.template tokens_from<kTogether>(t, x, r, y);
      for (; t < x.tokens; ++t) seeds.template tokens_from<1>(t, x, r, y);
    }
  }

 private:
  static constexpr std::size_t kQuads = kLength / kQuad, kBits = 20 + 4 * kCoefficients;

  static std::uint64_t word_at(std::span<const std::byte> row, std::size_t v) {
    const std::size_t at = v * kBits / 8;
    std::uint64_t word = 0;
    if (at + sizeof word <= row.size()) {
      word = load<std::uint64_t>(&row[at]);
    } else {
      std::memcpy(&word, &row[at], row.size() - at);
    }
    return word >> v * kBits % 8;
  }

  void read(std::span<const std::byte> row) {
    const SeedBits& bits = seed_bits();
    const std::array<std::uint32_t, kPairs>& pairs = coefficient_pairs();
    bool is_none = false;
    for (std::size_t v = 0; v < count_; ++v) {
      const std::uint64_t word = word_at(row, v);
      const auto seed = static_cast<std::uint16_t>(word);
      is_none |= seed == 0;
      const std::uint64_t of_seed = bits.of(seed);
      for (std::size_t q = 0; q < kQuads; ++q)
        windows_[v * kQuads + q] = static_cast<std::uint32_t>(of_seed >> q * kQuad * kCoefficients);
      steps_[v] = of_exponent_[word >> 16 & 15];
      first_[v] = pairs[word >> 20 & 255];
      second_[v] = pairs[word >> 28 & (kCoefficients > 3 ? 255 : 15)];
    }
    if (is_none) fail(ErrorCode::kInput, "a vector of {} has seed 0, which no register leaves", codec_.name);
  }

  // Lanes `kPart` of the vectors v and v + 1.
  template <std::size_t kPart>
  Lanes weights(std::size_t v) const {
    constexpr std::size_t kLow = 2 * kPart / kQuads, kHigh = (2 * kPart + 1) / kQuads;
    const std::uint32_t* windows = &windows_[v * kQuads + 2 * kPart];
    const Lanes sums =
        sums_of<kCoefficients>(quads_of(windows[0], windows[1]), quads_of(first_[v + kLow], first_[v + kHigh]),
                               quads_of(second_[v + kLow], second_[v + kHigh]));
    return sums * quads_of(steps_[v + kLow], steps_[v + kHigh]);
  }

  template <std::size_t kTokens>
  void tokens_from(std::size_t token, const DotOperand& x, std::size_t row, MutableMatrixView y) const {
    Lanes sums[kQuads][kTokens]{};
    const float* from = x.floats + token * x.padded;
    for (std::size_t v = 0; v < first_.size(); v += 2, from += 2 * kLength) {
      [&]<std::size_t... kPart>(std::index_sequence<kPart...>) {
        const Lanes some[] = {weights<kPart>(v)...};
        for (std::size_t part = 0; part < kQuads; ++part)
          for (std::size_t t = 0; t < kTokens; ++t)
            sums[part][t] = fused(some[part], load_lanes(from + t * x.padded + part * kLanes), sums[part][t]);
      }(std::make_index_sequence<kQuads>());
    }
    for (std::size_t t = 0; t < kTokens; ++t) {
      Lanes total = sums[0][t];
      for (std::size_t part = 1; part < kQuads; ++part) total += sums[part][t];
      y.data[(token + t) * y.stride + row] = sum_of_lanes(total);
    }
  }

  const Codec& codec_;
  std::size_t count_;                          // of vectors; one of zeros is behind an odd number
  std::vector<std::uint32_t> windows_;         // bits of the states of each quad
  std::vector<std::uint32_t> first_, second_;  // of each vector: two coefficients, and what it has beyond
  std::vector<float> steps_;                   // of each vector
  std::array<float, kExponents> of_exponent_;
};

}  // namespace

void product_of_seeds8(const DotRows& w, const DotOperand& x, MutableMatrixView y) { Seeds<8, 3>::product(w, x, y); }

void product_of_seeds12(const DotRows& w, const DotOperand& x, MutableMatrixView y) { Seeds<12, 4>::product(w, x, y); }

}  // namespace quern
