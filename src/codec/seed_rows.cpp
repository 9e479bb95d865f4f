// All vectors are searched side by side where nothing weighs them; where importance does, those of the same columns.
#include "codec/seed_rows.h"

#include <algorithm>
#include <vector>

#include "base/fail.h"
#include "search/seed_search.h"

namespace quern {
namespace {

constexpr unsigned kSeedBits = 16, kFieldBits = 4;

// Of columns of one vector whose most important has 1. A column that matters less is not worth coefficients that no
// rounding meets; those that pad a row have it too.
constexpr double kLeastSeedImportance = 0x1p-10;

std::uint64_t field(int value, unsigned at) { return std::uint64_t(value & 15) << at; }
std::int8_t field_at(std::uint64_t word, unsigned at) {
  return static_cast<std::int8_t>((static_cast<int>(word >> at & 15) ^ 8) - 8);
}

bool matters(float importance) { return importance > 0 && std::isfinite(importance); }

// Of the columns of one vector; empty where all matter alike.
std::vector<double> column_importance(const SeedFormat& format, std::span<const float> importance) {
  double largest = 0;
  for (const float value : importance) largest = std::max(largest, matters(value) ? double{value} : 0.0);
  if (largest == 0) return {};
  std::vector<double> columns(format.length, kLeastSeedImportance);
  for (std::size_t c = 0; c < importance.size(); ++c)
    if (matters(importance[c])) columns[c] = std::max(importance[c] / largest, kLeastSeedImportance);
  return columns;
}

// Columns first .. first + count - 1 of all rows, vector by vector.
void round_columns(const SeedFormat& format, int tensor_exponent, MatrixView weights, std::size_t first,
                   std::size_t count, std::span<const double> importance, std::span<std::int32_t> codes,
                   std::span<float> values) {
  const std::size_t length = format.length, of_row = (count + length - 1) / length;
  const double scale = std::ldexp(1.0, -tensor_exponent);
  std::vector<double> wanted(weights.rows * of_row * length);
  for (std::size_t i = 0; i < weights.rows; ++i)
    for (std::size_t c = 0; c < count; ++c)
      wanted[i * of_row * length + c] = searchable(weights.row(i)[first + c], scale);
  std::vector<SeedVector> found(weights.rows * of_row);
  search_seeds(format, seed_scans(format).front(), wanted, importance, found);
  for (std::size_t i = 0; i < weights.rows; ++i) {
    for (std::size_t v = 0; v < of_row; ++v) {
      const SeedVector& vector = found[i * of_row + v];
      const std::size_t at = i * weights.cols + first + v * length, size = std::min(length, count - v * length);
      std::ranges::fill(codes.subspan(at, size), 0);
      const std::uint64_t word = word_of(vector);
      codes[at] = static_cast<std::int32_t>(word);
      if (size > 1) codes[at + 1] = static_cast<std::int32_t>(word >> 32);
      if (!values.empty()) decode_seed_vector(format, vector, tensor_exponent, values.subspan(at, size));
    }
  }
}

}  // namespace

std::uint64_t word_of(const SeedVector& vector) {
  std::uint64_t word = vector.seed | field(vector.exponent, kSeedBits);
  for (unsigned p = 0; p < kMostSeedCoefficients; ++p)
    word |= field(vector.coefficients[p], kSeedBits + kFieldBits * (1 + p));
  return word;
}

SeedVector vector_of(const SeedFormat& format, std::uint64_t word) {
  SeedVector vector{.seed = static_cast<std::uint16_t>(word), .exponent = field_at(word, kSeedBits)};
  if (vector.seed == 0) fail(ErrorCode::kInput, "a vector has seed 0, which no register leaves");
  for (unsigned p = 0; p < format.coefficients; ++p)
    vector.coefficients[p] = field_at(word, kSeedBits + kFieldBits * (1 + p));
  return vector;
}

std::uint64_t word_of_codes(std::span<const std::int32_t> codes) {
  const auto low = static_cast<std::uint32_t>(codes[0]);
  return codes.size() > 1 ? low | std::uint64_t{static_cast<std::uint32_t>(codes[1])} << 32 : low;
}

int tensor_exponent(const SeedFormat& format, float largest) {
  constexpr int kRoom = 2;  // bits between the largest weight and the largest coefficient
  if (!(largest > 0)) return 0;
  const int codes = format.rule == SeedExponentRule::kRange ? 2 : 0;  // bits that its code has behind the first
  return std::clamp(std::ilogb(largest) + kRoom - codes - kMostSeedExponent, kLeastTensorExponent, kMostTensorExponent);
}

float largest_weight(std::span<const float> weights) {
  float largest = 0;
  for (const float weight : weights)
    if (std::isfinite(weight)) largest = std::max(largest, std::abs(weight));
  return largest;
}

void round_seed_rows(const SeedFormat& format, int tensor_exponent, MatrixView weights,
                     std::span<const float> importance, std::span<std::int32_t> codes, std::span<float> values) {
  if (std::ranges::none_of(importance, matters))
    return round_columns(format, tensor_exponent, weights, 0, weights.cols, {}, codes, values);
  for (std::size_t first = 0; first < weights.cols; first += format.length) {
    const std::size_t count = std::min<std::size_t>(format.length, weights.cols - first);
    round_columns(format, tensor_exponent, weights, first, count,
                  column_importance(format, importance.subspan(first, count)), codes, values);
  }
}

}  // namespace quern
