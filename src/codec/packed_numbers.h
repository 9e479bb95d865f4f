// Numbers of as many bits each, one behind the other, eight at a time: the indices of VPTQ and Hyper-Compression.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace quern {

class PackedNumbers {
 public:
  enum class Order {
    kLowFirst,   // each in the lowest bits that are left of a byte
    kHighFirst,  // in the highest
  };
  // `skipped` bits lie before the first. REQUIRES: 0 < bits <= 24, skipped < 8.
  PackedNumbers(Order order, unsigned bits, unsigned skipped = 0);

  // The first of `row`, and zeros where it has no more whole ones. REQUIRES: a multiple of 8 in `to`.
  void read(std::span<const std::byte> row, std::span<std::uint32_t> to) const;

 private:
  unsigned bits_, skipped_;
  std::size_t second_;                                  // the byte from which on the last four of eight are read
  alignas(32) std::array<std::uint8_t, 32> shuffle_{};  // the bytes of each as a word, from the first of its four
  alignas(32) std::array<std::uint32_t, 8> shifts_{};   // how far down it moves in that word
};

}  // namespace quern
