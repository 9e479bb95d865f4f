// VPTQ (Liu et al. 2024, arXiv 2409.17066): vectors of v weights of one column, in v rows that follow each other, each
// the nearest of k centroids, or the sum of one and of one of as many residual centroids (docs/formats/vptq.md). Where
// there are columns of outliers, a hundredth, each half of a vector of theirs is one of k centroids of its own.
//   indices   stripe after stripe (v rows): for each column index + residual index * k, in log2 of both bits, the first
//             in the lowest bits of the first byte; of an outlier, that of its first half; then, for each column of
//             outliers, that of the second; filled up to whole bytes
//   codebook  f32          a power of two, which multiplies all centroids
//             f16[k][v], and f16[k][v] of residuals or f16[k][v/2] of outliers
//             u32          each column of outliers, ascending
// Names say v, k, the residual k and that of outliers. Norms of columns and an order of columns, which the package may
// store, are not here: they are read (packed/vptq_layers.cpp).
#include <cmath>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "codec/vptq_codebook.h"
#include "codec/vptq_training.h"

namespace quern {
namespace {

void fit(const Codec&, std::span<const float>, std::span<const float>, std::byte*) {}

void round(const Codec& codec, const std::byte*, std::uint32_t first, std::span<const float> weights,
           std::span<const float>, std::span<std::int32_t> codes, std::span<float> values) {
  vptq_codebook(codec).round(first / codec.stripe, weights, codes, values);
}

// Indices in the order in which a stripe has them: of all columns, then second ones of outliers.
std::vector<std::uint32_t> indices_of(const VptqCodebook& codebook, std::span<const std::int32_t> codes) {
  const VptqShape& shape = codebook.shape();
  std::vector<std::uint32_t> indices;
  for (std::size_t at = 0; at < codes.size(); at += shape.length)
    indices.push_back(static_cast<std::uint32_t>(codes[at]));
  for (const std::uint32_t column : codebook.outliers()) {
    indices.push_back(indices[column] >> shape.outlier_bits);
    indices[column] &= (1u << shape.outlier_bits) - 1;
  }
  return indices;
}

void pack(const Codec& codec, const std::byte*, std::span<const std::int32_t> codes, PlanePointers planes) {
  const VptqCodebook& codebook = vptq_codebook(codec);
  codebook.check_columns(codes.size() / codec.stripe);
  std::uint64_t pending = 0;
  unsigned held = 0;
  std::byte* out = planes[0];
  for (const std::uint32_t index : indices_of(codebook, codes)) {
    pending |= std::uint64_t{index} << held;
    for (held += codebook.shape().index_bits(); held >= 8; held -= 8, pending >>= 8)
      *out++ = static_cast<std::byte>(pending);
  }
  if (held > 0) *out = static_cast<std::byte>(pending);
}

void decode(const Codec& codec, ConstPlanePointers planes, std::span<float> out) {
  const VptqCodebook& codebook = vptq_codebook(codec);
  const VptqShape& shape = codebook.shape();
  const std::size_t length = shape.length, count = out.size() / length;
  codebook.check_columns(count);
  std::vector<std::uint32_t> indices(round_up(shape.indices(count), 8));
  codebook.read_indices({planes[0], shape.stripe_bytes(count)}, indices);
  for (std::size_t i = 0; i < count; ++i) codebook.put(indices[i], out.subspan(i * length, length));
  for (std::size_t i = 0; i < codebook.outliers().size(); ++i) {
    const std::uint32_t column = codebook.outliers()[i];
    codebook.put_outlier(indices[column] | indices[count + i] << shape.outlier_bits,
                         out.subspan(column * length, length));
  }
}

bool is_power_of_two(float value) {
  int exponent = 0;
  return std::isfinite(value) && std::frexp(value, &exponent) == 0.5f && exponent > kLeastVptqScale;
}

std::vector<float> read_halves(std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / sizeof(std::uint16_t));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = f16_to_f32(load<std::uint16_t>(&bytes[i * sizeof(std::uint16_t)]));
    if (!std::isfinite(values[i])) fail(ErrorCode::kInput, "number {} of a VPTQ codebook is {}", i, values[i]);
  }
  return values;
}

std::vector<std::uint32_t> read_columns(std::span<const std::byte> bytes) {
  std::vector<std::uint32_t> columns(bytes.size() / sizeof(std::uint32_t));
  for (std::size_t i = 0; i < columns.size(); ++i) {
    columns[i] = load<std::uint32_t>(&bytes[i * sizeof(std::uint32_t)]);
    if (i > 0 && columns[i] <= columns[i - 1])
      fail(ErrorCode::kInput, "a VPTQ codebook has outliers in column {} behind those in column {}", columns[i],
           columns[i - 1]);
  }
  return columns;
}

std::shared_ptr<const TensorSide> load_codebook(const VptqShape& shape, std::span<const std::byte> bytes) {
  const std::size_t known = shape.side_bytes(0);
  const bool has_columns =
      shape.outlier_bits > 0 && bytes.size() % sizeof(std::uint32_t) == known % sizeof(std::uint32_t);
  if (bytes.size() < known || (bytes.size() > known && !has_columns))
    fail(ErrorCode::kInput, "a VPTQ codebook has {} bytes, but {} were expected for {} + {} centroids of {} weights{}",
         bytes.size(), known, shape.centroids(), shape.residuals(), shape.length,
         shape.outlier_bits > 0 ? ", and 4 more for each column of outliers" : "");
  const float scale = load<float>(bytes.data());
  if (!is_power_of_two(scale))
    fail(ErrorCode::kInput, "the scale of a VPTQ codebook is {}, which is no power of two", scale);
  const std::vector<float> values = read_halves(bytes.first(known).subspan(sizeof scale));
  const auto main = values.begin() + static_cast<std::ptrdiff_t>(shape.centroids() * shape.length),
             residual = main + static_cast<std::ptrdiff_t>(shape.residuals() * shape.length);
  return std::make_shared<const VptqCodebook>(
      shape, scale,
      VptqBooks{
          {values.begin(), main}, {main, residual}, {residual, values.end()}, read_columns(bytes.subspan(known))});
}

template <VptqShape kShape>
struct Rows {
  static_assert(kShape.index_bits() <= 24);
  static_assert(kShape.outlier_bits == 0 || (kShape.outlier_bits == kShape.index_bits() && kShape.length % 2 == 0));
  static constexpr std::uint64_t kNominal = VptqShape::kColumnsForEachOutlier;  // columns, one of them of outliers
  static constexpr CodecPlane kPlanes[] = {
      {.name = "indices", .bits_per_weight = kShape.index_bits(), .vector = kShape.length},
      {.name = "codebook", .holds = CodecPlane::Holds::kTensorSide}};

  static std::unique_ptr<TensorTraining> train(const Codec&) { return train_vptq(kShape); }
  static std::shared_ptr<const TensorSide> load(const Codec&, std::span<const std::byte> bytes) {
    return load_codebook(kShape, bytes);
  }
  static std::uint64_t stored_bytes(const Codec& codec, std::uint64_t rows, std::uint64_t cols) {
    return codec.stripes(rows) * codec.row_bytes(cols) + kShape.side_bytes(cols);
  }
  static std::uint64_t row_bytes(const Codec&, std::size_t, std::uint64_t cols) { return kShape.stripe_bytes(cols); }

  static constexpr Codec codec(const char* name, const char* summary) {
    return {.name = name,
            .summary = summary,
            .bits_per_weight = static_cast<double>(kShape.indices(kNominal) * kShape.index_bits()) /
                               static_cast<double>(kNominal * kShape.length),
            .block = 0,
            .planes = kPlanes,
            .fit = fit,
            .round = round,
            .pack = pack,
            .decode = decode,
            .stored_bytes_of = stored_bytes,
            .granule = kShape.length,
            .train = train,
            .load_tensor_side = load,
            .row_bytes_of = kShape.outlier_bits > 0 ? row_bytes : nullptr,
            .stripe = kShape.length,
            .feedback_order = Codec::FeedbackOrder::kByInputs};
  }
};

template <std::uint32_t kLength, unsigned kBits, unsigned kResidualBits = 0, unsigned kOutlierBits = 0>
constexpr auto kCodec = Rows<VptqShape{kLength, kBits, kResidualBits, kOutlierBits}>::codec;

// Of equal bits the one of the smallest codebook comes last.
constinit const Codec kRows[] = {
    kCodec<6, 12, 12>("vptq_v6_k4096_r4096", "VPTQ, 4 bits: vectors of 6, 4096 centroids and 4096 residuals"),
    kCodec<3, 12>("vptq_v3_k4096", "VPTQ, 4 bits: vectors of 3, 4096 centroids"),
    kCodec<4, 8, 8>("vptq_v4_k256_r256", "VPTQ, 4 bits: vectors of 4, 256 centroids and 256 residuals"),
    kCodec<2, 8>("vptq_v2_k256", "VPTQ, 4 bits: vectors of 2, 256 centroids"),
    kCodec<4, 12>("vptq_v4_k4096", "VPTQ, 3 bits: vectors of 4, 4096 centroids"),
    kCodec<3, 9>("vptq_v3_k512", "VPTQ, 3 bits: vectors of 3, 512 centroids"),
    kCodec<2, 6>("vptq_v2_k64", "VPTQ, 3 bits: vectors of 2, 64 centroids"),
    kCodec<4, 8, 0, 8>("vptq_v4_k256_o256", "VPTQ, 2.02 bits: vectors of 4, 256 centroids, 256 of 2 for outliers"),
    kCodec<6, 12>("vptq_v6_k4096", "VPTQ, 2 bits: vectors of 6, 4096 centroids"),
    kCodec<4, 8>("vptq_v4_k256", "VPTQ, 2 bits: vectors of 4, 256 centroids"),
    kCodec<3, 6>("vptq_v3_k64", "VPTQ, 2 bits: vectors of 3, 64 centroids"),
    kCodec<2, 4>("vptq_v2_k16", "VPTQ, 2 bits: vectors of 2, 16 centroids"),
    kCodec<8, 12>("vptq_v8_k4096", "VPTQ, 1.5 bits: vectors of 8, 4096 centroids"),
    kCodec<8, 8>("vptq_v8_k256", "VPTQ, 1 bit: vectors of 8, 256 centroids"),
};

}  // namespace

constinit const std::span<const Codec> kVptq = kRows;

}  // namespace quern
