// Error of encoded rows, measured on the bytes: every row is decoded again.
#include <array>
#include <vector>

#include "optim/optimizer.h"

namespace quern {

EncodeError& EncodeError::operator+=(const EncodeError& other) {
  weighted += other.weighted;
  weighted_energy += other.weighted_energy;
  plain += other.plain;
  plain_energy += other.plain_energy;
  return *this;
}

EncodeError& EncodeError::operator*=(double factor) {
  for (double* sum : {&weighted, &weighted_energy, &plain, &plain_energy}) *sum *= factor;
  return *this;
}

namespace {

// Sums of four columns side by side, so that no sum waits for itself and every compiler adds in the same order.
constexpr std::size_t kColumns = 4;
using Sums = std::array<double, kColumns>;

double total(const Sums& sums) { return (sums[0] + sums[2]) + (sums[1] + sums[3]); }

EncodeError row_error(std::span<const float> row, std::span<const float> decoded, std::span<const double> moments) {
  Sums weighted{}, weighted_energy{}, plain{}, plain_energy{};
  const auto add = [&](std::size_t c, std::size_t lane) {
    const double value = row[c], difference = value - decoded[c], moment = moments.empty() ? 1.0 : moments[c];
    plain[lane] += difference * difference;
    plain_energy[lane] += value * value;
    weighted[lane] += moment * (difference * difference);
    weighted_energy[lane] += moment * (value * value);
  };
  std::size_t c = 0;
  for (; c + kColumns <= row.size(); c += kColumns)
    for (std::size_t lane = 0; lane < kColumns; ++lane) add(c + lane, lane);
  for (std::size_t lane = 0; c < row.size(); ++c, ++lane) add(c, lane);
  return {total(weighted), total(weighted_energy), total(plain), total(plain_energy)};
}

}  // namespace

EncodeError measure_error(MatrixView rows, std::span<const double> moments, const PackedTensor& packed) {
  EncodeError sum;
  std::vector<float> decoded(rows.cols);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    decode_row(packed.codec(), packed.row(i), decoded);
    sum += row_error(rows.row(i), decoded, moments);
  }
  return sum;
}

}  // namespace quern
