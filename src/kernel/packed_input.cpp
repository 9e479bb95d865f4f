// Activations rounded to 8 bits: a block of 32 or 256 is scale * code with codes of -127..127 and scale = largest
// magnitude / 127, both rounded to the nearest float or integer (GGML rounds the scale of its blocks of 32 to binary16
// besides). A block whose largest magnitude is below 1e-36 becomes zeros; one with an infinity or a NaN makes every
// product that reads it a NaN.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "kernel/dot_kernels.h"
#include "kernel/packed_product.h"
#include "search/lanes.h"

namespace quern {
namespace {

constexpr std::size_t kPadding = 64, kFloatPadding = 192, kSmallBlock = 32, kHalf = 16, kGroup = 128, kLargeBlock = 256;
constexpr std::size_t kSumOf4 = 4, kSumOf8 = 8, kSumOf16 = 16;
constexpr std::int32_t kZeroOfBytes = 128, kZeroOfNibbles = 8;
constexpr float kLargestCode = 127.0f, kLeastMagnitude = 1e-36f;

// Hands out aligned pieces of one allocation: first measures, then places.
class Carver {
 public:
  explicit Carver(std::byte* base) : base_(base) {}
  template <typename T>
  T* take(std::size_t count) {
    T* place = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += round_up(count * sizeof(T), sizeof(CacheLine));
    return place;
  }
  std::size_t used() const { return used_; }

 private:
  std::byte* base_;
  std::size_t used_ = 0;
};

std::size_t padding_of(OperandForm form) {
  return form == OperandForm::kHalves32 ? kGroup : form == OperandForm::kFloats ? kFloatPadding : kPadding;
}

struct Arrays {
  float *floats = nullptr, *scales = nullptr;
  std::int8_t* codes = nullptr;
  std::int32_t* offsets = nullptr;
  std::int16_t* sums = nullptr;
};

Arrays carve(Carver& carver, const DotOperand& x) {
  Arrays arrays;
  const std::size_t n = x.tokens * x.padded;
  if (x.form == OperandForm::kFloats) {
    arrays.floats = carver.take<float>(n);
    return arrays;
  }
  arrays.codes = carver.take<std::int8_t>(n);
  arrays.scales = carver.take<float>(x.tokens * x.scale_stride);
  if (x.form == OperandForm::kBlocks32) arrays.offsets = carver.take<std::int32_t>(n / kSumOf4);
  if (x.form == OperandForm::kHalves32) arrays.offsets = carver.take<std::int32_t>(n / kSumOf8);
  if (x.form == OperandForm::kBlocks256) arrays.sums = carver.take<std::int16_t>(n / kSumOf16);
  return arrays;
}

// The scale of a block. Compared as integers: magnitudes order the same way, and a NaN lies above all.
float quantize(std::span<const float> values, std::int8_t* codes) {
  std::uint32_t largest = 0;
  for (const float value : values) largest = std::max(largest, std::bit_cast<std::uint32_t>(value) & 0x7fffffffu);
  const float magnitude = std::bit_cast<float>(largest);
  if (!(magnitude >= kLeastMagnitude) || !std::isfinite(magnitude)) {
    std::fill_n(codes, values.size(), std::int8_t{0});
    return std::isfinite(magnitude) ? 0.0f : std::numeric_limits<float>::quiet_NaN();
  }
  const float inverse = kLargestCode / magnitude;
  for (std::size_t k = 0; k < values.size(); ++k) {
    codes[k] =
        static_cast<std::int8_t>(static_cast<std::int32_t>((values[k] * inverse + kRoundingShift) - kRoundingShift));
  }
  return magnitude / kLargestCode;
}

int sum_of(const std::int8_t* codes, std::size_t count) {
  int sum = 0;
  for (std::size_t k = 0; k < count; ++k) sum += codes[k];
  return sum;
}

// Codes of one token in the order of kHalves32, and its offsets.
void fill_halves(const DotOperand& x, std::span<const float> values, std::int8_t* codes, float* scales,
                 std::int32_t* offsets) {
  std::array<std::int8_t, kSmallBlock> block;
  for (std::size_t b = 0; b * kSmallBlock < values.size(); ++b) {
    scales[b] = quantize(values.subspan(b * kSmallBlock, kSmallBlock), block.data());
    std::int8_t* first = codes + b / 4 * kGroup + b % 4 * kHalf;
    std::copy_n(block.data(), kHalf, first);
    std::copy_n(block.data() + kHalf, kHalf, first + kGroup / 2);
  }
  for (std::size_t i = 0; i < x.padded / kSumOf8; ++i) {
    const std::int8_t* of_lane = codes + i / 16 * kGroup + i % 16 * kSumOf4;
    offsets[i] = -kZeroOfNibbles * (sum_of(of_lane, kSumOf4) + sum_of(of_lane + kGroup / 2, kSumOf4));
  }
}

void fill_token(const DotOperand& x, std::size_t token, std::span<const float> values, const Arrays& to) {
  if (x.form == OperandForm::kFloats) {
    std::ranges::copy(values, to.floats + token * x.padded);
    return;
  }
  std::int8_t* codes = to.codes + token * x.padded;
  float* scales = to.scales + token * x.scale_stride;
  if (x.form == OperandForm::kHalves32)
    return fill_halves(x, values, codes, scales, to.offsets + token * (x.padded / kSumOf8));
  const std::size_t block = x.form == OperandForm::kBlocks32 ? kSmallBlock : kLargeBlock;
  for (std::size_t k = 0; k < values.size(); k += block) {
    const float scale = quantize(values.subspan(k, block), codes + k);
    if (x.form == OperandForm::kBlocks32) {
      scales[k / block] = scale;
    } else {
      scales[2 * (k / block)] = scale;
      scales[2 * (k / block) + 1] = -scale;
    }
  }
  for (std::size_t i = 0; to.offsets && i < x.padded / kSumOf4; ++i)
    to.offsets[token * (x.padded / kSumOf4) + i] = -kZeroOfBytes * sum_of(codes + i * kSumOf4, kSumOf4);
  for (std::size_t i = 0; to.sums && i < x.padded / kSumOf16; ++i)
    to.sums[token * (x.padded / kSumOf16) + i] = static_cast<std::int16_t>(sum_of(codes + i * kSumOf16, kSumOf16));
}

}  // namespace

OperandForm operand_form(CodeLayout layout, std::size_t cols) {
  switch (layout) {
    case CodeLayout::kOther:
    case CodeLayout::kF32:
    case CodeLayout::kF16:
    case CodeLayout::kBf16:
    case CodeLayout::kPairs:
    case CodeLayout::kVectors:
    case CodeLayout::kSeeds8:
    case CodeLayout::kSeeds12:
      return OperandForm::kFloats;
    case CodeLayout::kBytes:  // its rows need not divide into blocks; such rows are decoded
    case CodeLayout::kScaledBytes:
      return cols % kSmallBlock == 0 ? OperandForm::kBlocks32 : OperandForm::kFloats;
    case CodeLayout::kScaledNibbles:
      return cols % kSmallBlock == 0 ? OperandForm::kHalves32 : OperandForm::kFloats;
    case CodeLayout::kAffine4:
    case CodeLayout::kAffine5:
    case CodeLayout::kSymmetric6:
    case CodeLayout::kTernary2:
    case CodeLayout::kTernary1:
      return cols % kLargeBlock == 0 ? OperandForm::kBlocks256 : OperandForm::kFloats;
  }
  return OperandForm::kFloats;
}

PackedInput::PackedInput(const Codec& codec, MatrixView x) {
  operand_.form = operand_form(code_layout(codec), x.cols);
  operand_.tokens = x.rows;
  operand_.cols = x.cols;
  operand_.padded = round_up(x.cols, padding_of(operand_.form));
  // Blocks of 32 are read two at a time.
  operand_.scale_stride =
      operand_.form == OperandForm::kBlocks256 ? 2 * (operand_.padded / kLargeBlock) : operand_.padded / kSmallBlock;
  Carver measure(nullptr);
  carve(measure, operand_);
  storage_.resize(measure.used() / sizeof(CacheLine));  // zeros
  Carver carver(reinterpret_cast<std::byte*>(storage_.data()));
  const Arrays arrays = carve(carver, operand_);
  operand_.floats = arrays.floats;
  operand_.codes = arrays.codes;
  operand_.scales = arrays.scales;
  operand_.offsets = arrays.offsets;
  operand_.sums = arrays.sums;
  for (std::size_t token = 0; token < x.rows; ++token) fill_token(operand_, token, x.row(token), arrays);
}

bool PackedInput::serves(const Codec& codec) const {
  return operand_form(code_layout(codec), operand_.cols) == operand_.form;
}

}  // namespace quern
