// The scale that all weights of a ternary tensor share, and codes under it.
#include "codec/ternary_scale.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "base/fail.h"
#include "codec/exact_sums.h"

namespace quern {
namespace {

class TernaryScale final : public TensorSide {
 public:
  explicit TernaryScale(float scale) : scale_(scale) {}
  std::vector<std::byte> serialise() const override {
    std::vector<std::byte> bytes(sizeof scale_);
    store(bytes.data(), scale_);
    return bytes;
  }
  float value() const { return scale_; }

 private:
  float scale_;
};

class Magnitudes final : public TensorTraining {
 public:
  void observe(MatrixView rows, std::span<const float>) override {
    for (std::size_t i = 0; i < rows.rows; ++i)
      for (const float weight : rows.row(i)) {
        const float magnitude = std::abs(weight);
        if (!std::isfinite(weight)) continue;
        sums_.add(magnitude);
        if (magnitude > 0) least_ = std::min(least_, magnitude);
        most_ = std::max(most_, magnitude);
      }
  }
  void merge(const TensorTraining& other) override {
    const Magnitudes& theirs = static_cast<const Magnitudes&>(other);
    sums_.merge(theirs.sums_);
    least_ = std::min(least_, theirs.least_);
    most_ = std::max(most_, theirs.most_);
  }
  std::shared_ptr<const TensorSide> finish() const override {
    return std::make_shared<TernaryScale>(least_ >= most_ ? most_ : static_cast<float>(sums_.mean()));
  }

 private:
  ExactSums sums_;
  float least_ = std::numeric_limits<float>::infinity(), most_ = 0;  // least: of those above 0
};

}  // namespace

float ternary_scale(const Codec& codec) { return static_cast<const TernaryScale&>(*codec.tensor_side).value(); }

std::unique_ptr<TensorTraining> train_ternary_scale(const Codec&) { return std::make_unique<Magnitudes>(); }

std::shared_ptr<const TensorSide> load_ternary_scale(const Codec&, std::span<const std::byte> bytes) {
  const float scale = bytes.size() == sizeof(float) ? load<float>(bytes.data()) : -1;
  if (!(scale >= 0) || std::isinf(scale))
    fail(ErrorCode::kInput, "{} bytes are no scale of ternary weights", bytes.size());
  return std::make_shared<TernaryScale>(scale);
}

void fit_nothing(const Codec&, std::span<const float>, std::span<const float>, std::byte*) {}

void round_to_ternary(const Codec& codec, const std::byte*, std::uint32_t, std::span<const float> weights,
                      std::span<const float>, std::span<std::int32_t> codes, std::span<float> values) {
  const float scale = ternary_scale(codec), half = scale / 2;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const int code = scale > 0 ? (weights[k] > half) - (weights[k] < -half) : 0;
    codes[k] = code + 1;
    if (!values.empty()) values[k] = scale * static_cast<float>(code);
  }
}

}  // namespace quern
