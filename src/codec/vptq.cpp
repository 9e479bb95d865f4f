// VPTQ (Liu et al. 2024, arXiv 2409.17066): vectors of v weights of one column, in v rows that follow each other, each
// the nearest of k centroids, or the sum of one and of one of as many residual centroids (docs/formats/vptq.md).
//   indices   stripe after stripe (v rows): for each column index + residual index * k, in log2 of both bits, the first
//             in the lowest bits of the first byte; filled up to whole bytes
//   codebook  f32      a power of two, which multiplies all centroids
//             f16[k][v], and f16[k][v] of residuals
// Names say v, k and the residual k. Norms of columns, columns of outliers and an order of columns, which the package
// may store, are not here: they are read (packed/vptq_layers.cpp).
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/random.h"
#include "codec/codec_table.h"
#include "codec/pooled_training.h"
#include "codec/vptq_codebook.h"
#include "search/grid_search.h"
#include "search/kmeans.h"
#include "search/vector_sample.h"

namespace quern {
namespace {

// Vectors that centroids are found from: so many for each, and not fewer than a small codebook takes no time for.
constexpr std::size_t kVectorsForEach = 128, kLeastVectors = std::size_t{1} << 17;
constexpr int kTopExponent = 14;       // of the largest number over the scale: binary16 has room for less than 2^16
constexpr float kMostHalf = 32752.0f;  // the largest of that exponent
constexpr int kLeastScale = -126;
constexpr std::size_t kTile = 2048;  // vectors that a thread takes at once

// The halves nearest to values, as floats.
std::vector<float> halves_of(std::vector<float> values) {
  for (float& value : values) value = std::clamp(nearest_f16(value), -kMostHalf, kMostHalf);
  return values;
}

// The power of two that brings the largest of the values to kTopExponent.
float scale_for(std::span<const float> values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return std::ldexp(1.0f, largest > 0 ? std::max(std::ilogb(largest) - kTopExponent, kLeastScale) : 0);
}

// What vectors of one column count, so that one that is no number, or that there is none, is 1.
float usable_weight(std::span<const float> importance, std::size_t at) {
  return importance.empty() ? 1.0f : usable_importance(all_lanes(importance[at]))[0];
}

// Of a vector and its column, `less` taken from the bits of each weight but 0.
std::uint64_t hash_of(std::uint64_t column, std::span<const float> vector, std::uint32_t less) {
  std::uint64_t hash = Random(column).next();
  for (const float value : vector)
    hash = Random(hash ^ (value == 0 ? 0 : std::bit_cast<std::uint32_t>(value) - less)).next();
  return hash;
}

// The bits of the largest exponent: without them a tensor times a power of two is sampled alike.
std::uint32_t exponent_of(std::span<const float> vector) {
  std::uint32_t most = 0;
  for (const float value : vector) most = std::max(most, std::bit_cast<std::uint32_t>(value) & 0x7f800000u);
  return most;
}

class Training final : public PooledTraining {
 public:
  explicit Training(VptqShape shape)
      : shape_(shape),
        sample_(shape.length, std::max(kVectorsForEach * shape.centroids(), kLeastVectors)),
        heaviest_(shape.length, shape.centroids()) {}

  void observe(MatrixView stripes, std::span<const float> importance) override {
    if (std::ranges::none_of(importance, [](float value) { return usable_importance(all_lanes(value))[0] > 0; }))
      importance = {};
    std::vector<float> vector(shape_.length);
    for (std::size_t s = 0; s < stripes.rows; ++s)
      for (std::size_t at = 0; at < stripes.cols; at += shape_.length) {
        for (std::size_t d = 0; d < shape_.length; ++d) vector[d] = VptqCodebook::scaled(stripes.row(s)[at + d], 1);
        add(vector, at / shape_.length, usable_weight(importance, at));
      }
  }

  void merge(const TensorTraining& other) override {
    sample_.merge(static_cast<const Training&>(other).sample_);
    heaviest_.merge(static_cast<const Training&>(other).heaviest_);
  }

  std::shared_ptr<const TensorSide> finish(ThreadPool& pool) const override {
    WeightedVectors vectors = whole_sample();
    const float scale = scale_for(vectors.values);
    for (float& value : vectors.values) value = VptqCodebook::scaled(value, scale);
    std::vector<float> centroids = halves_of(find_centroids(vectors, shape_.centroids(), pool));
    std::vector<float> residuals;
    if (shape_.residual_bits > 0) {
      take_nearest(Centroids(shape_.length, centroids), vectors, pool);
      residuals = halves_of(find_centroids(vectors, shape_.residuals(), pool));
    }
    return settled(scale, std::move(centroids), std::move(residuals));
  }

 private:
  // Under the scale that follows from the numbers alone, so that whoever has these knows it.
  std::shared_ptr<const TensorSide> settled(float scale, std::vector<float> centroids,
                                            std::vector<float> residuals) const {
    std::vector<float> all = centroids;
    all.insert(all.end(), residuals.begin(), residuals.end());
    for (float& value : all) value *= scale;
    const float own = scale_for(all);
    for (std::vector<float>* some : {&centroids, &residuals})
      for (float& value : *some) value *= scale / own;
    return std::make_shared<const VptqCodebook>(shape_, own, centroids, residuals);
  }

  void add(std::span<const float> vector, std::size_t column, float weight) {
    const std::uint64_t hash = hash_of(column, vector, 0), key = hash_of(column, vector, exponent_of(vector));
    double energy = 0;
    for (const float value : vector) energy += static_cast<double>(value) * value;
    sample_.add({key, hash, weight, 1}, vector);
    heaviest_.add({~std::bit_cast<std::uint64_t>(energy * weight), hash, weight, 1}, vector);
  }

  // The heaviest stand for themselves, the others for all that are like them.
  WeightedVectors whole_sample() const {
    VectorSample sample = sample_, heaviest = heaviest_;
    sample.settle();
    heaviest.settle();
    float most = 0;
    for (std::size_t i = 0; i < sample.size(); ++i) most = std::max(most, sample.at(i).weight);
    for (std::size_t i = 0; i < heaviest.size(); ++i) most = std::max(most, heaviest.at(i).weight);
    WeightedVectors all{shape_.length, {}, {}, heaviest.size()};
    const auto put = [&](const VectorSample& from, std::size_t i, double share) {
      const std::span<const float> values = from.values(i);
      all.values.insert(all.values.end(), values.begin(), values.end());
      const double weight = most > 0 ? std::max(from.at(i).weight / most, kLeastImportance) : 1.0;
      all.weights.push_back(weight * from.at(i).times / share);
    };
    std::vector<std::uint64_t> taken;
    for (std::size_t i = 0; i < heaviest.size(); ++i) {
      put(heaviest, i, 1);
      taken.push_back(heaviest.at(i).hash);
    }
    std::ranges::sort(taken);
    for (std::size_t i = 0; i < sample.size(); ++i)
      if (!std::ranges::binary_search(taken, sample.at(i).hash)) put(sample, i, sample.share());
    return all;
  }

  static void take_nearest(const Centroids& centroids, WeightedVectors& vectors, ThreadPool& pool) {
    const std::size_t length = vectors.length;
    parallel_for(pool, vectors.count(), kTile, [&](std::size_t begin, std::size_t end) {
      const std::span<float> some = std::span(vectors.values).subspan(begin * length, (end - begin) * length);
      std::vector<std::uint32_t> nearest(end - begin);
      centroids.find_nearest(some, nearest);
      for (std::size_t i = 0; i < nearest.size(); ++i)
        for (std::size_t d = 0; d < length; ++d) some[i * length + d] -= centroids.at(nearest[i])[d];
    });
  }

  VptqShape shape_;
  VectorSample sample_, heaviest_;
};

void fit(const Codec&, std::span<const float>, std::span<const float>, std::byte*) {}

void round(const Codec& codec, const std::byte*, std::uint32_t, std::span<const float> weights, std::span<const float>,
           std::span<std::int32_t> codes, std::span<float> values) {
  vptq_codebook(codec).round(weights, codes, values);
}

void pack(const Codec& codec, const std::byte*, std::span<const std::int32_t> codes, PlanePointers planes) {
  const VptqShape& shape = vptq_codebook(codec).shape();
  std::uint64_t pending = 0;
  unsigned held = 0;
  std::byte* out = planes[0];
  for (std::size_t at = 0; at < codes.size(); at += shape.length) {
    pending |= static_cast<std::uint64_t>(codes[at]) << held;
    for (held += shape.index_bits(); held >= 8; held -= 8, pending >>= 8) *out++ = static_cast<std::byte>(pending);
  }
  if (held > 0) *out = static_cast<std::byte>(pending);
}

void decode(const Codec& codec, ConstPlanePointers planes, std::span<float> out) {
  const VptqCodebook& codebook = vptq_codebook(codec);
  const std::size_t length = codebook.shape().length, count = out.size() / length;
  std::vector<std::uint32_t> codes(round_up(count, 8));
  codebook.read_codes({planes[0], (count * codebook.shape().index_bits() + 7) / 8}, codes);
  for (std::size_t i = 0; i < count; ++i) codebook.put(codes[i], out.subspan(i * length, length));
}

bool is_power_of_two(float value) {
  int exponent = 0;
  return std::isfinite(value) && std::frexp(value, &exponent) == 0.5f && exponent > kLeastScale;
}

std::vector<float> read_halves(std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / sizeof(std::uint16_t));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = f16_to_f32(load<std::uint16_t>(&bytes[i * sizeof(std::uint16_t)]));
    if (!std::isfinite(values[i])) fail(ErrorCode::kInput, "number {} of a VPTQ codebook is {}", i, values[i]);
  }
  return values;
}

std::shared_ptr<const TensorSide> load_codebook(const VptqShape& shape, std::span<const std::byte> bytes) {
  if (bytes.size() != shape.side_bytes())
    fail(ErrorCode::kInput, "a VPTQ codebook has {} bytes, but {} were expected for {} + {} centroids of {} weights",
         bytes.size(), shape.side_bytes(), shape.centroids(), shape.residuals(), shape.length);
  const float scale = load<float>(bytes.data());
  if (!is_power_of_two(scale))
    fail(ErrorCode::kInput, "the scale of a VPTQ codebook is {}, which is no power of two", scale);
  const std::vector<float> values = read_halves(bytes.subspan(sizeof scale));
  const std::size_t of_main = shape.centroids() * shape.length;
  return std::make_shared<const VptqCodebook>(shape, scale, std::span(values).first(of_main),
                                              std::span(values).subspan(of_main));
}

template <VptqShape kShape>
struct Rows {
  static_assert(kShape.index_bits() <= 24);
  static constexpr CodecPlane kPlanes[] = {
      {.name = "indices", .bits_per_weight = kShape.index_bits(), .vector = kShape.length},
      {.name = "codebook", .holds = CodecPlane::Holds::kTensorSide}};

  static std::unique_ptr<TensorTraining> train(const Codec&) { return std::make_unique<Training>(kShape); }
  static std::shared_ptr<const TensorSide> load(const Codec&, std::span<const std::byte> bytes) {
    return load_codebook(kShape, bytes);
  }
  static std::uint64_t stored_bytes(const Codec& codec, std::uint64_t rows, std::uint64_t cols) {
    return codec.stripes(rows) * codec.row_bytes(cols) + kShape.side_bytes();
  }

  static constexpr Codec codec(const char* name, const char* summary) {
    return {.name = name,
            .summary = summary,
            .bits_per_weight = static_cast<double>(kShape.index_bits()) / kShape.length,
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
            .stripe = kShape.length,
            .feedback_order = Codec::FeedbackOrder::kByInputs};
  }
};

template <std::uint32_t kLength, unsigned kBits, unsigned kResidualBits = 0>
constexpr auto kCodec = Rows<VptqShape{kLength, kBits, kResidualBits}>::codec;

// Of equal bits the one of the smallest codebook comes last.
constinit const Codec kRows[] = {
    kCodec<6, 12, 12>("vptq_v6_k4096_r4096", "VPTQ, 4 bits: vectors of 6, 4096 centroids and 4096 residuals"),
    kCodec<3, 12>("vptq_v3_k4096", "VPTQ, 4 bits: vectors of 3, 4096 centroids"),
    kCodec<4, 8, 8>("vptq_v4_k256_r256", "VPTQ, 4 bits: vectors of 4, 256 centroids and 256 residuals"),
    kCodec<2, 8>("vptq_v2_k256", "VPTQ, 4 bits: vectors of 2, 256 centroids"),
    kCodec<4, 12>("vptq_v4_k4096", "VPTQ, 3 bits: vectors of 4, 4096 centroids"),
    kCodec<3, 9>("vptq_v3_k512", "VPTQ, 3 bits: vectors of 3, 512 centroids"),
    kCodec<2, 6>("vptq_v2_k64", "VPTQ, 3 bits: vectors of 2, 64 centroids"),
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
