// Matrices that were trained to have three values, -s, 0 and s, recognised from the values themselves.
#pragma once

#include <map>
#include <optional>

#include "base/thread_pool.h"
#include "model/weights.h"

namespace quern {

// Magnitudes other than 0 are equal where they differ from their middle by less than this share of it.
inline constexpr double kTernaryDeviation = 1e-3;

struct TernaryForm {
  enum class Scale { kTensor, kRow } scale = Scale::kTensor;  // whether s is one for all rows
  double deviation = 0;                                       // largest | |w| - s | / s
  double f16_error = 0;  // largest |binary16(s) - s| / s: what a format changes that keeps s as binary16
};

// nullopt: it has other values, is no matrix of so many columns, is nothing but zeros, or is stored in
// what has no codec. Reads no row behind the first that shows it: an ordinary matrix costs one. Any number of zeros is
// allowed, none too.
std::optional<TernaryForm> find_ternary(const Weights& weights, const Weight& weight);
inline constexpr std::uint64_t kLeastTernaryColumns = 16, kMostTernaryColumns = std::uint64_t{1} << 20;

// Those of a model's matrices that are, by index into ModelSpec::weights.
using TernaryForms = std::map<std::size_t, TernaryForm>;
TernaryForms find_ternary(const Weights& weights, const ModelSpec& spec, ThreadPool& pool);

}  // namespace quern
