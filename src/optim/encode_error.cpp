// Error of encoded rows, measured on the bytes: every row is decoded again.
#include "optim/optimizer.h"

namespace quern {

EncodeError& EncodeError::operator+=(const EncodeError& other) {
  weighted += other.weighted;
  weighted_energy += other.weighted_energy;
  plain += other.plain;
  plain_energy += other.plain_energy;
  return *this;
}

EncodeError measure_error(MatrixView rows, std::span<const double> moments, const PackedTensor& packed) {
  EncodeError sum;
  std::vector<float> decoded(rows.cols);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    decode_row(packed.codec(), packed.row(i), decoded);
    const std::span<const float> row = rows.row(i);
    for (std::size_t c = 0; c < row.size(); ++c) {
      const double moment = moments.empty() ? 1.0 : moments[c];
      const double energy = static_cast<double>(row[c]) * row[c];
      const double difference = static_cast<double>(row[c]) - decoded[c];
      sum.weighted += moment * difference * difference;
      sum.weighted_energy += moment * energy;
      sum.plain += difference * difference;
      sum.plain_energy += energy;
    }
  }
  return sum;
}

}  // namespace quern
