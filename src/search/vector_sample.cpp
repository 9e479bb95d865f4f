// The lowest keys are found whenever twice as many vectors as are wanted have come together.
#include "search/vector_sample.h"

#include <algorithm>
#include <tuple>

namespace quern {
namespace {

auto rank_of(const SampledVector& vector) { return std::tie(vector.key, vector.hash, vector.weight); }

}  // namespace

void VectorSample::add(const SampledVector& vector, std::span<const float> values) {
  if (vector.key > limit_) return;
  entries_.push_back({vector, values_.size()});
  values_.insert(values_.end(), values.begin(), values.end());
  if (entries_.size() >= 2 * most_) settle();
}

void VectorSample::merge(const VectorSample& other) {
  for (const Entry& entry : other.entries_) add(entry.vector, {&other.values_[entry.at], length_});
}

void VectorSample::settle() {
  std::ranges::sort(entries_, {}, [](const Entry& entry) { return rank_of(entry.vector); });
  std::vector<Entry> kept;
  std::vector<float> values;
  for (const Entry& entry : entries_) {
    if (!kept.empty() && rank_of(kept.back().vector) == rank_of(entry.vector)) {
      kept.back().vector.times += entry.vector.times;
      continue;
    }
    if (kept.size() == most_) {
      limit_ = kept.back().vector.key;
      break;
    }
    kept.push_back({entry.vector, values.size()});
    values.insert(values.end(), &values_[entry.at], &values_[entry.at] + length_);
  }
  entries_ = std::move(kept);
  values_ = std::move(values);
}

double VectorSample::share() const { return limit_ == kAll ? 1 : (static_cast<double>(limit_) + 1) * 0x1p-64; }

}  // namespace quern
