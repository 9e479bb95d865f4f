// Stripes of VPTQ: the weights of a vector belong to rows that follow each other, so that a centroid times the
// activation of its column is added to all their sums at once.
#include <algorithm>

#include "base/bytes.h"
#include "base/fail.h"
#include "codec/vptq_codebook.h"
#include "kernel/dot_kernels.h"
#include "kernel/gathered_lanes.h"

namespace quern {
namespace {

constexpr std::size_t kTogether = 32;  // columns: four vectors of lanes of the shortest centroids, and so of all

// What a vector is made of.
enum class VectorForm {
  kCentroid,
  kWithResidual,
  kWithOutliers,  // a centroid, and two halves in columns of outliers
};

// Indices of one stripe, as entries of tables.
struct Entries {
  std::vector<std::uint32_t> vectors, residuals;
  std::vector<std::uint32_t> halves;  // the second of outliers
  std::vector<std::uint32_t> read;    // before they are that
};

// Activations, token after token: of all columns, and of those of outliers.
struct VectorInputs {
  const float *all, *outliers;
  std::size_t all_stride, outliers_stride;
};

// Activations of columns of outliers, zeros behind the last.
struct OutlierInputs {
  std::vector<float> values;
  std::size_t stride = 0;

  OutlierInputs(std::span<const std::uint32_t> columns, const DotOperand& x) : stride(padded(columns.size())) {
    values.resize(x.tokens * stride);
    for (std::size_t t = 0; t < x.tokens; ++t)
      for (std::size_t i = 0; i < columns.size(); ++i) values[t * stride + i] = x.floats[t * x.padded + columns[i]];
  }

  static std::size_t padded(std::size_t columns) { return round_up(columns, kTogether); }
};

template <std::size_t kLength, VectorForm kForm>
struct Stripe {
  using Columns = Gathered<kLength>;

  static const float* vectors_of(const VptqCodebook& codebook) {
    return (kForm == VectorForm::kWithOutliers ? codebook.vectors() : codebook.centroids().values()).data();
  }

  // Adds products of entries with `kTokens` tokens from x on, in units of the codebook's scale.
  template <std::size_t kTokens>
  static void add_products(const VptqCodebook& codebook, std::span<const std::uint32_t> vectors,
                           std::span<const std::uint32_t> residuals, const float* x, std::size_t stride,
                           FourSums (&sums)[kTokens]) {
    const float *of_vectors = vectors_of(codebook), *of_residuals = codebook.residuals().values().data();
    FourSums own[kTokens];  // in registers: `sums` would be stored at every step
    std::copy_n(sums, kTokens, own);
    for (std::size_t c = 0; c < vectors.size(); c += kSums * Columns::kEntries) {
      for (std::size_t s = 0; s < kSums; ++s) {
        const std::size_t first = c + s * Columns::kEntries;
        Lanes weights = Columns::load(of_vectors, &vectors[first]);
        if constexpr (kForm == VectorForm::kWithResidual) weights += Columns::load(of_residuals, &residuals[first]);
        for (std::size_t t = 0; t < kTokens; ++t)
          own[t][s] = fused(weights, Columns::spread(x + t * stride + first), own[t][s]);
      }
    }
    std::copy_n(own, kTokens, sums);
  }

  // Rows first .. first + count - 1 of the stripe.
  template <std::size_t kTokens>
  static void tokens_from(std::size_t token, const VptqCodebook& codebook, const Entries& entries,
                          const VectorInputs& x, std::size_t first, std::size_t count, std::size_t row,
                          MutableMatrixView y) {
    FourSums sums[kTokens]{};
    add_products(codebook, entries.vectors, entries.residuals, x.all + token * x.all_stride, x.all_stride, sums);
    if constexpr (kForm == VectorForm::kWithOutliers)
      add_products(codebook, entries.halves, {}, x.outliers + token * x.outliers_stride, x.outliers_stride, sums);
    for (std::size_t t = 0; t < kTokens; ++t) {
      const Lanes products = total_of(sums[t]);
      for (std::size_t i = 0; i < count; ++i) {
        float sum = 0;
        for (std::size_t lane = first + i; lane < kLanes; lane += Columns::kWidth) sum += products[lane];
        y.data[(token + t) * y.stride + row + i] = codebook.scale() * sum;
      }
    }
  }

  static void product(const DotRows& w, const DotOperand& x, MutableMatrixView y) {
    const VptqCodebook& codebook = vptq_codebook(*w.codec);
    codebook.check_columns(w.cols);
    const OutlierInputs outliers(codebook.outliers(), x);
    const VectorInputs inputs{x.floats, outliers.values.data(), x.padded, outliers.stride};
    Entries entries = entries_for(codebook, w.cols);
    const std::byte* stripe = w.planes[0];
    std::size_t first = w.skipped;
    for (std::size_t row = 0, count; row < w.rows; row += count, stripe += w.strides[0], first = 0) {
      count = std::min(kLength - first, w.rows - row);
      read(codebook, {stripe, w.strides[0]}, w.cols, entries);
      std::size_t t = 0;
      for (; t + kSums <= x.tokens; t += kSums) tokens_from<kSums>(t, codebook, entries, inputs, first, count, row, y);
      for (; t < x.tokens; ++t) tokens_from<1>(t, codebook, entries, inputs, first, count, row, y);
    }
  }

  static Entries entries_for(const VptqCodebook& codebook, std::size_t cols) {
    const std::size_t all = round_up(cols, kTogether);
    Entries entries{std::vector<std::uint32_t>(all), {}, {}, {}};
    if constexpr (kForm == VectorForm::kWithResidual) entries.residuals.resize(all);
    if constexpr (kForm == VectorForm::kWithOutliers) {
      entries.halves.resize(OutlierInputs::padded(codebook.outliers().size()));
      entries.read.resize(round_up(codebook.shape().indices(cols), kTogether));
    }
    return entries;
  }

  static void read(const VptqCodebook& codebook, std::span<const std::byte> stripe, std::size_t cols,
                   Entries& entries) {
    if constexpr (kForm == VectorForm::kWithOutliers) return read_outliers(codebook, stripe, cols, entries);
    codebook.read_indices(stripe, entries.vectors);
    if constexpr (kForm == VectorForm::kWithResidual) {
      const unsigned bits = codebook.shape().bits;
      for (std::size_t i = 0; i < entries.vectors.size(); ++i) {
        entries.residuals[i] = entries.vectors[i] >> bits;
        entries.vectors[i] &= (1u << bits) - 1;
      }
    }
  }

  static void read_outliers(const VptqCodebook& codebook, std::span<const std::byte> stripe, std::size_t cols,
                            Entries& entries) {
    const auto first_half = static_cast<std::uint32_t>(codebook.centroids().count()),
               second_half = first_half + static_cast<std::uint32_t>(codebook.of_outliers().count());
    codebook.read_indices(stripe, entries.read);
    std::copy_n(entries.read.begin(), cols, entries.vectors.begin());
    for (std::size_t i = 0; i < codebook.outliers().size(); ++i) {
      entries.vectors[codebook.outliers()[i]] += first_half;
      entries.halves[i] = entries.read[cols + i] + second_half;
    }
  }
};

template <std::size_t kLength>
constexpr DotKernel kProducts[] = {Stripe<kLength, VectorForm::kCentroid>::product,
                                   Stripe<kLength, VectorForm::kWithResidual>::product};

}  // namespace

void product_of_vectors(const DotRows& w, const DotOperand& x, MutableMatrixView y) {
  const VptqShape& shape = vptq_codebook(*w.codec).shape();
  const std::size_t has_residuals = shape.residual_bits > 0;
  if (shape.outlier_bits > 0) {
    ensure(shape.length == 4, "no product of outliers in vectors of {} weights", shape.length);
    return Stripe<4, VectorForm::kWithOutliers>::product(w, x, y);
  }
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
