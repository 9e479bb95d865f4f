// Stripes of VPTQ: the weights of a vector belong to rows that follow each other, so that a centroid times the
// activation of its column is added to all their sums at once.
#include "base/bytes.h"
#include "base/fail.h"
#include "codec/vptq_codebook.h"
#include "kernel/dot_kernels.h"
#include "kernel/gathered_lanes.h"

namespace quern {
namespace {

constexpr std::size_t kTogether = 32;  // columns: four vectors of lanes of the shortest centroids, and so of all

// Codes of one stripe, as entries of the two tables.
struct Entries {
  std::vector<std::uint32_t> centroids, residuals;
};

template <std::size_t kLength, bool kHasResiduals>
struct Stripe {
  using Columns = Gathered<kLength>;

  // Products of a stripe with `kTokens` tokens from x on, in units of the codebook's scale.
  template <std::size_t kTokens>
  static void multiply(const VptqCodebook& codebook, const Entries& entries, const float* x, std::size_t stride,
                       Lanes (&products)[kTokens]) {
    const float *centroids = codebook.centroids().values().data(), *residuals = codebook.residuals().values().data();
    FourSums sums[kTokens]{};
    for (std::size_t c = 0; c < entries.centroids.size(); c += kSums * Columns::kEntries) {
      for (std::size_t s = 0; s < kSums; ++s) {
        const std::size_t first = c + s * Columns::kEntries;
        Lanes weights = Columns::load(centroids, &entries.centroids[first]);
        if constexpr (kHasResiduals) weights += Columns::load(residuals, &entries.residuals[first]);
        for (std::size_t t = 0; t < kTokens; ++t)
          sums[t][s] = fused(weights, Columns::spread(x + t * stride + first), sums[t][s]);
      }
    }
    for (std::size_t t = 0; t < kTokens; ++t) products[t] = total_of(sums[t]);
  }

  // Rows first .. first + count - 1 of the stripe.
  template <std::size_t kTokens>
  static void tokens_from(std::size_t token, const VptqCodebook& codebook, const Entries& entries, const DotOperand& x,
                          std::size_t first, std::size_t count, std::size_t row, MutableMatrixView y) {
    Lanes products[kTokens];
    multiply<kTokens>(codebook, entries, x.floats + token * x.padded, x.padded, products);
    for (std::size_t t = 0; t < kTokens; ++t) {
      for (std::size_t i = 0; i < count; ++i) {
        float sum = 0;
        for (std::size_t lane = first + i; lane < kLanes; lane += Columns::kWidth) sum += products[t][lane];
        y.data[(token + t) * y.stride + row + i] = codebook.scale() * sum;
      }
    }
  }

  static void product(const DotRows& w, const DotOperand& x, MutableMatrixView y) {
    const VptqCodebook& codebook = vptq_codebook(*w.codec);
    const std::size_t cols = round_up(w.cols, kTogether);
    Entries entries{std::vector<std::uint32_t>(cols), std::vector<std::uint32_t>(kHasResiduals ? cols : 0)};
    const std::byte* stripe = w.planes[0];
    std::size_t first = w.skipped;
    for (std::size_t row = 0, count; row < w.rows; row += count, stripe += w.strides[0], first = 0) {
      count = std::min(kLength - first, w.rows - row);
      read(codebook, {stripe, w.strides[0]}, entries);
      std::size_t t = 0;
      for (; t + kSums <= x.tokens; t += kSums) tokens_from<kSums>(t, codebook, entries, x, first, count, row, y);
      for (; t < x.tokens; ++t) tokens_from<1>(t, codebook, entries, x, first, count, row, y);
    }
  }

  static void read(const VptqCodebook& codebook, std::span<const std::byte> stripe, Entries& entries) {
    codebook.read_codes(stripe, entries.centroids);
    if constexpr (kHasResiduals) {
      const unsigned bits = codebook.shape().bits;
      for (std::size_t i = 0; i < entries.centroids.size(); ++i) {
        entries.residuals[i] = entries.centroids[i] >> bits;
        entries.centroids[i] &= (1u << bits) - 1;
      }
    }
  }
};

template <std::size_t kLength>
constexpr DotKernel kProducts[] = {Stripe<kLength, false>::product, Stripe<kLength, true>::product};

}  // namespace

void product_of_vectors(const DotRows& w, const DotOperand& x, MutableMatrixView y) {
  const VptqShape& shape = vptq_codebook(*w.codec).shape();
  const std::size_t has_residuals = shape.residual_bits > 0;
  switch (shape.length) {
    case 2:
      return kProducts<2>[has_residuals](w, x, y);
    case 3:
      return kProducts<3>[has_residuals](w, x, y);
    case 4:
      return kProducts<4>[has_residuals](w, x, y);
    case 6:
      return kProducts<6>[has_residuals](w, x, y);
    case 8:
      return kProducts<8>[has_residuals](w, x, y);
    default:
      ensure(false, "no product of vectors of {} weights", shape.length);
  }
}

}  // namespace quern
