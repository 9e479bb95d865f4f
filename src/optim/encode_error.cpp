// Error of encoded rows, measured on the bytes: every row is decoded again.
#include "optim/encode_error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "optim/feedback.h"
#include "search/lanes.h"

namespace quern {

EncodeError& EncodeError::operator+=(const EncodeError& other) {
  weighted += other.weighted;
  weighted_energy += other.weighted_energy;
  plain += other.plain;
  plain_energy += other.plain_energy;
  output += other.output;
  output_energy += other.output_energy;
  return *this;
}

EncodeError& EncodeError::operator*=(double factor) {
  for (double* sum : {&weighted, &weighted_energy, &plain, &plain_energy, &output, &output_energy}) *sum *= factor;
  return *this;
}

namespace {

// Sums of four columns side by side, so that no sum waits for itself and every compiler adds in the same order.
constexpr std::size_t kColumns = 4;
using Sums = std::array<double, kColumns>;

double total(const Sums& sums) { return (sums[0] + sums[2]) + (sums[1] + sums[3]); }

EncodeError exact_error(std::span<const float> row, std::span<const float> decoded, std::span<const double> moments) {
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

// Runs of columns are summed in float, eight side by side, and then in double: 1e-6 of the sum at most.
constexpr std::size_t kRun = 128;
// Of a run; sums between them are far from where floats end (squares of differences that vanish are 1e-18 of them).
constexpr float kLeastEnergy = 1e-20f, kMostEnergy = 1e30f;

// `importance` may be null: every column counts alike.
EncodeError run_error(const float* row, const float* decoded, const float* importance) {
  Lanes weighted{}, weighted_energy{}, plain{}, plain_energy{};
  for (std::size_t c = 0; c < kRun; c += kLanes) {
    const Lanes value = load_lanes(row + c), difference = value - load_lanes(decoded + c);
    const Lanes error = difference * difference, energy = value * value;
    plain += error;
    plain_energy += energy;
    if (!importance) continue;
    const Lanes weight = load_lanes(importance + c);
    weighted = fused(weight, error, weighted);
    weighted_energy = fused(weight, energy, weighted_energy);
  }
  return {sum_of_lanes(weighted), sum_of_lanes(weighted_energy), sum_of_lanes(plain), sum_of_lanes(plain_energy)};
}

// Moments as floats of mean 1, and what brings sums back to their scale.
struct Importance {
  std::span<const double> moments;
  std::vector<float> columns;
  double scale = 0;

  explicit Importance(std::span<const double> of) : moments(of) {
    const double mean =
        std::accumulate(of.begin(), of.end(), 0.0) / static_cast<double>(std::max<std::size_t>(1, of.size()));
    if (!(mean > 0) || !std::isfinite(mean)) return;
    scale = mean;
    for (const double moment : of) columns.push_back(static_cast<float>(moment / mean));
  }
};

EncodeError row_error(std::span<const float> row, std::span<const float> decoded, const Importance& importance) {
  const std::span<const double>& moments = importance.moments;
  const bool weighs = !importance.columns.empty();
  if (weighs != !moments.empty()) return exact_error(row, decoded, moments);
  EncodeError sum;
  std::size_t c = 0;
  for (; c + kRun <= row.size(); c += kRun) {
    EncodeError run = run_error(&row[c], &decoded[c], weighs ? &importance.columns[c] : nullptr);
    if (!(run.plain_energy > kLeastEnergy && run.plain_energy < kMostEnergy)) {
      run = exact_error(row.subspan(c, kRun), decoded.subspan(c, kRun), weighs ? moments.subspan(c, kRun) : moments);
    } else {
      run.weighted = weighs ? run.weighted * importance.scale : run.plain;
      run.weighted_energy = weighs ? run.weighted_energy * importance.scale : run.plain_energy;
    }
    sum += run;
  }
  return sum += exact_error(row.subspan(c), decoded.subspan(c), weighs ? moments.subspan(c) : moments);
}

}  // namespace

EncodeError measure_error(MatrixView rows, const InputContext& inputs, const PackedTensor& packed) {
  EncodeError sum;
  Matrix decoded(rows.rows, rows.cols);
  const Importance importance(inputs.moments);
  decode_rows(packed.codec(), packed.row(0), 0, decoded.view());
  for (std::size_t i = 0; i < rows.rows; ++i) sum += row_error(rows.row(i), decoded.row(i), importance);
  if (!inputs.hessian) return sum;
  sum.output = hessian_error(*inputs.hessian, rows, decoded.view());
  sum.output_energy = hessian_error(*inputs.hessian, rows, Matrix(rows.rows, rows.cols).view());
  return sum;
}

}  // namespace quern
