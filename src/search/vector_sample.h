// Some of the vectors of a tensor: the same whatever the order and the cut in which they are seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace quern {

// Told from others by a hash of what it is and of its column; seen `times` times.
struct SampledVector {
  std::uint64_t key = 0, hash = 0;
  float weight = 0;
  std::uint32_t times = 1;
};

// The `most` vectors of the lowest keys (bottom-k sampling: Cohen and Kaplan 2007). Equal ones are one vector with a
// count, which is whole for each that is kept: its key was never above those that were the lowest so far.
class VectorSample {
 public:
  VectorSample(std::size_t length, std::size_t most) : length_(length), most_(most) {}

  void add(const SampledVector& vector, std::span<const float> values);
  void merge(const VectorSample& other);

  // Leaves the lowest alone, in the order of keys, hashes and weights.
  void settle();
  // REQUIRES of these: settle() came last.
  std::size_t size() const { return entries_.size(); }
  const SampledVector& at(std::size_t i) const { return entries_[i].vector; }
  std::span<const float> values(std::size_t i) const { return {&values_[entries_[i].at], length_}; }
  // The share of keys that were let in: 1 where nothing was left out.
  double share() const;

 private:
  static constexpr std::uint64_t kAll = ~std::uint64_t{0};
  struct Entry {
    SampledVector vector;
    std::size_t at;  // of its values
  };

  std::size_t length_, most_;
  std::uint64_t limit_ = kAll;  // what is above it is not among the lowest
  std::vector<Entry> entries_;
  std::vector<float> values_;
};

}  // namespace quern
