// The tables of this program, and the number formats that it has beside the library's.
//
// ragged   rows     a row: a byte n, then 34 bytes for each 32 weights (float16 scale, signed codes), then n bytes of n
//          offsets  as every measured codec
// even24   codes    codes 0..15 for -8..7, two a byte, the first in the low bits; those of each 24 weights sum to an
//                   even number
//          scales   4 bytes a row: the scale, binary32
// tensor8  codes    a signed byte a weight
//          scale    4 bytes of the whole tensor: the scale, binary32
// stripe3  vectors  of each column of three rows 16 bits, little-endian: e (4 bits), then codes 0..15 for -8..7
//          scale    4 bytes of the whole tensor: s, binary32; code c stands for s 2^-e c
#include "tests/other_codecs/other_codecs.h"

#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/fail.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "packed/plane_types.h"

namespace quern {
namespace {

constexpr std::size_t kBlock = 32, kScaleBytes = 2;

float largest_of(std::span<const float> weights) {
  float largest = 0;
  for (const float weight : weights)
    if (std::isfinite(weight)) largest = std::max(largest, std::abs(weight));
  return largest;
}

void fit_ragged(const Codec&, std::span<const float> weights, std::span<const float>, std::byte* side) {
  store(side, f32_to_f16(std::min(largest_of(weights) / 127, 60000.0f)));
}

void round_ragged(const Codec&, const std::byte* side, std::uint32_t, std::span<const float> weights,
                  std::span<const float>, std::span<std::int32_t> codes, std::span<float> values) {
  const float scale = f16_to_f32(load<std::uint16_t>(side));
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const float position = scale > 0 ? weights[k] / scale : 0;
    const float code = position > -127 ? std::nearbyint(std::min(position, 127.0f)) : -127;
    codes[k] = static_cast<std::int32_t>(code);
    if (!values.empty()) values[k] = scale * code;
  }
}

void pack_ragged_row(const Codec&, std::span<const std::byte> sides, std::span<const std::int32_t> codes,
                     std::vector<std::byte>& out) {
  const auto padding = static_cast<std::size_t>(checksum_of(std::as_bytes(codes)) % 61);
  out.push_back(static_cast<std::byte>(padding));
  for (std::size_t k = 0; k < codes.size(); ++k) {
    if (k % kBlock == 0) {
      const auto scale = sides.subspan(k / kBlock * kScaleBytes, kScaleBytes);
      out.insert(out.end(), scale.begin(), scale.end());
    }
    out.push_back(static_cast<std::byte>(codes[k]));
  }
  out.insert(out.end(), padding, static_cast<std::byte>(padding));
}

void unpack_ragged_row(const Codec&, std::span<const std::byte> row, std::span<float> out) {
  const std::size_t bytes = out.size() / kBlock * (kBlock + kScaleBytes);
  if (row.empty() || row.size() != 1 + bytes + std::to_integer<std::size_t>(row[0]) ||
      std::ranges::any_of(row.subspan(1 + bytes), [&](std::byte b) { return b != row[0]; }))
    fail(ErrorCode::kInput, "{} bytes are no row of {} weights", row.size(), out.size());
  for (std::size_t b = 0; b < out.size() / kBlock; ++b) {
    const std::byte* from = row.data() + 1 + b * (kBlock + kScaleBytes);
    const float scale = f16_to_f32(load<std::uint16_t>(from));
    for (std::size_t k = 0; k < kBlock; ++k)
      out[b * kBlock + k] = scale * static_cast<float>(static_cast<std::int8_t>(from[kScaleBytes + k]));
  }
}

constexpr std::size_t kGranule = 24;

void fit_even(const Codec&, std::span<const float> weights, std::span<const float>, std::byte* side) {
  store(side, largest_of(weights) / 7.5f);
}

// To the nearest integers; where their sum is odd, the one that minds least goes to its other neighbour.
void round_granule(float scale, std::span<const float> weights, std::span<const float> importance,
                   std::span<std::int32_t> codes) {
  std::int32_t sum = 0;
  std::size_t least = 0;
  double least_cost = INFINITY;
  std::int32_t other = 0;
  for (std::size_t k = 0; k < kGranule; ++k) {
    const float position = scale > 0 && std::isfinite(weights[k]) ? weights[k] / scale : 0;
    const float nearest = std::clamp(std::nearbyint(position), -8.0f, 7.0f);
    const float second = nearest == 7 || (nearest > -8 && position < nearest) ? nearest - 1 : nearest + 1;
    codes[k] = static_cast<std::int32_t>(nearest);
    sum += codes[k];
    const double weight = importance.empty() ? 1.0 : importance[k];
    const double cost = weight * (std::pow(position - second, 2) - std::pow(position - nearest, 2));
    if (cost < least_cost) least_cost = cost, least = k, other = static_cast<std::int32_t>(second);
  }
  if (sum % 2 != 0) codes[least] = other;
}

void round_even(const Codec& codec, const std::byte* side, std::uint32_t first, std::span<const float> weights,
                std::span<const float> importance, std::span<std::int32_t> codes, std::span<float> values) {
  ensure(first % kGranule == 0 && weights.size() % kGranule == 0, "{} weights from column {} are no granules of {}",
         weights.size(), first, codec.name);
  const auto scale = load<float>(side);
  for (std::size_t at = 0; at < weights.size(); at += kGranule)
    round_granule(scale, weights.subspan(at, kGranule),
                  importance.empty() ? importance : importance.subspan(at, kGranule), codes.subspan(at, kGranule));
  for (std::size_t k = 0; k < values.size(); ++k) values[k] = scale * static_cast<float>(codes[k]);
}

void pack_even(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  for (std::size_t k = 0; k < codes.size(); k += 2)
    planes[0][k / 2] = static_cast<std::byte>((codes[k] + 8) | (codes[k + 1] + 8) << 4);
  store(planes[1], load<float>(side));
}

void decode_even(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const auto scale = load<float>(planes[1]);
  for (std::size_t k = 0; k < out.size(); ++k) {
    const int code = std::to_integer<int>(planes[0][k / 2]) >> (4 * (k % 2)) & 15;
    out[k] = scale * static_cast<float>(code - 8);
  }
}

class TensorScale final : public TensorSide {
 public:
  explicit TensorScale(float scale) : scale_(scale) {}
  std::vector<std::byte> serialise() const override {
    std::vector<std::byte> bytes(sizeof scale_);
    store(bytes.data(), scale_);
    return bytes;
  }
  float value() const { return scale_; }

 private:
  float scale_;
};

class LargestOfTensor final : public TensorTraining {
 public:
  void observe(MatrixView rows, std::span<const float>) override {
    for (std::size_t i = 0; i < rows.rows; ++i) largest_ = std::max(largest_, largest_of(rows.row(i)));
  }
  void merge(const TensorTraining& other) override {
    largest_ = std::max(largest_, static_cast<const LargestOfTensor&>(other).largest_);
  }
  std::shared_ptr<const TensorSide> finish() const override { return std::make_shared<TensorScale>(largest_ / 127); }

 private:
  float largest_ = 0;
};

float scale_of(const Codec& codec) { return static_cast<const TensorScale&>(*codec.tensor_side).value(); }

std::unique_ptr<TensorTraining> train_tensor(const Codec&) { return std::make_unique<LargestOfTensor>(); }

std::shared_ptr<const TensorSide> load_tensor(const Codec&, std::span<const std::byte> bytes) {
  if (bytes.size() != sizeof(float)) fail(ErrorCode::kInput, "{} bytes are no scale", bytes.size());
  return std::make_shared<TensorScale>(load<float>(bytes.data()));
}

void fit_nothing(const Codec&, std::span<const float>, std::span<const float>, std::byte*) {}

void round_tensor(const Codec& codec, const std::byte*, std::uint32_t, std::span<const float> weights,
                  std::span<const float>, std::span<std::int32_t> codes, std::span<float> values) {
  const float scale = scale_of(codec);
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const float position = scale > 0 && std::isfinite(weights[k]) ? weights[k] / scale : 0;
    codes[k] = static_cast<std::int32_t>(std::nearbyint(std::clamp(position, -127.0f, 127.0f)));
    if (!values.empty()) values[k] = scale * static_cast<float>(codes[k]);
  }
}

void pack_tensor(const Codec&, const std::byte*, std::span<const std::int32_t> codes, PlanePointers planes) {
  for (std::size_t k = 0; k < codes.size(); ++k) planes[0][k] = static_cast<std::byte>(codes[k]);
}

void decode_tensor(const Codec& codec, ConstPlanePointers planes, std::span<float> out) {
  const float scale = scale_of(codec);
  for (std::size_t k = 0; k < out.size(); ++k)
    out[k] = scale * static_cast<float>(static_cast<std::int8_t>(planes[0][k]));
}

constexpr std::size_t kStripe = 3;

// Of three weights: the largest exponent under which none is cut, then codes.
std::int32_t round_vector(float scale, std::span<const float> weights, std::span<float> values) {
  int e = 15;
  const auto code_of = [&](float weight) {
    const float position = scale > 0 && std::isfinite(weight) ? std::ldexp(weight / scale, e) : 0;
    return std::nearbyint(std::clamp(position, -100.0f, 100.0f));
  };
  while (e > 0 && std::ranges::any_of(weights, [&](float w) { return code_of(w) < -8 || code_of(w) > 7; })) --e;
  std::int32_t word = e;
  for (std::size_t k = 0; k < kStripe; ++k) {
    const float code = std::clamp(code_of(weights[k]), -8.0f, 7.0f);
    word |= (static_cast<std::int32_t>(code) + 8) << (4 + 4 * k);
    if (!values.empty()) values[k] = std::ldexp(scale, -e) * code;
  }
  return word;
}

void round_stripe(const Codec& codec, const std::byte*, std::uint32_t first, std::span<const float> weights,
                  std::span<const float>, std::span<std::int32_t> codes, std::span<float> values) {
  ensure(first % kStripe == 0 && weights.size() % kStripe == 0, "{} weights from {} are no columns of {}",
         weights.size(), first, codec.name);
  for (std::size_t k = 0; k < weights.size(); k += kStripe)
    codes[k] = round_vector(16 * scale_of(codec), weights.subspan(k, kStripe),
                            values.empty() ? values : values.subspan(k, kStripe));
}

void pack_stripe(const Codec&, const std::byte*, std::span<const std::int32_t> codes, PlanePointers planes) {
  for (std::size_t k = 0; k < codes.size(); k += kStripe)
    store(planes[0] + k / kStripe * 2, static_cast<std::uint16_t>(codes[k]));
}

void decode_stripe(const Codec& codec, ConstPlanePointers planes, std::span<float> out) {
  for (std::size_t k = 0; k < out.size(); ++k) {
    const int word = load<std::uint16_t>(planes[0] + k / kStripe * 2);
    const int code = (word >> (4 + 4 * (k % kStripe)) & 15) - 8;
    out[k] = std::ldexp(16 * scale_of(codec), -(word & 15)) * static_cast<float>(code);
  }
}

constexpr CodecPlane kStripePlanes[] = {{.name = "vectors", .bits_per_weight = 16, .vector = kStripe},
                                        {.name = "scale", .holds = CodecPlane::Holds::kTensorSide}};
constexpr CodecPlane kTensorPlanes[] = {{"codes", 0, 8}, {.name = "scale", .holds = CodecPlane::Holds::kTensorSide}};
constexpr CodecPlane kRaggedPlanes[] = {{.name = "rows", .holds = CodecPlane::Holds::kRows},
                                        {.name = "offsets", .holds = CodecPlane::Holds::kOffsets}};
constexpr CodecPlane kEvenPlanes[] = {{"codes", 0, 4}, {"scales", 4, 0}};

}  // namespace

constinit const Codec kRagged = {.name = "ragged",
                                 .summary = "rows of sizes that their content decides",
                                 .bits_per_weight = 8.6,
                                 .block = kBlock,
                                 .planes = kRaggedPlanes,
                                 .side_bytes = kScaleBytes,
                                 .fit = fit_ragged,
                                 .round = round_ragged,
                                 .pack = nullptr,
                                 .decode = nullptr,
                                 .pack_row = pack_ragged_row,
                                 .unpack_row = unpack_ragged_row};

constinit const Codec kEven24 = {.name = "even24",
                                 .summary = "24 weights at a time",
                                 .bits_per_weight = 4,
                                 .block = 0,
                                 .planes = kEvenPlanes,
                                 .side_bytes = sizeof(float),
                                 .fit = fit_even,
                                 .round = round_even,
                                 .pack = pack_even,
                                 .decode = decode_even,
                                 .granule = kGranule};

constinit const Codec kTensor8 = {.name = "tensor8",
                                  .summary = "one scale of the whole tensor",
                                  .bits_per_weight = 8,
                                  .block = 0,
                                  .planes = kTensorPlanes,
                                  .side_bytes = 0,
                                  .fit = fit_nothing,
                                  .round = round_tensor,
                                  .pack = pack_tensor,
                                  .decode = decode_tensor,
                                  .train = train_tensor,
                                  .load_tensor_side = load_tensor};

constinit const Codec kStripe3 = {.name = "stripe3",
                                  .summary = "three rows at a time",
                                  .bits_per_weight = 16.0 / kStripe,
                                  .block = 0,
                                  .planes = kStripePlanes,
                                  .side_bytes = 0,
                                  .fit = fit_nothing,
                                  .round = round_stripe,
                                  .pack = pack_stripe,
                                  .decode = decode_stripe,
                                  .granule = kStripe,
                                  .train = train_tensor,
                                  .load_tensor_side = load_tensor,
                                  .stripe = kStripe};

std::vector<const Codec*> list_codecs() {
  std::vector<const Codec*> all = built_in_codecs();
  all.insert(all.end(), {&kRagged, &kEven24, &kTensor8, &kStripe3});
  return all;
}

std::vector<PlaneEncoding> list_plane_encodings() {
  static constexpr std::string_view kRaggedNames[] = {"rows", "offsets"}, kEvenNames[] = {"codes", "scales"},
                                    kTensorNames[] = {"codes", "scale"}, kStripeNames[] = {"vectors", "scale"};
  std::vector<PlaneEncoding> all = built_in_plane_encodings();
  all.push_back({"ragged", kRaggedNames, "offsets"});
  all.push_back({"even24", kEvenNames});
  all.push_back({"tensor8", kTensorNames});
  all.push_back({"stripe3", kStripeNames});
  return all;
}

}  // namespace quern
