// The codes of k-quants in their bit planes.
#include "search/kquant_codes.h"

namespace quern {
namespace {

constexpr std::size_t kColumn = 32;

std::uint8_t byte_of(int bits) { return static_cast<std::uint8_t>(bits); }

}  // namespace

void pack_nibbles(std::span<const std::int32_t> codes, std::byte* to) {
  for (std::size_t g = 0; g < 4; ++g) {
    const std::int32_t* from = codes.data() + 2 * kColumn * g;
    for (std::size_t k = 0; k < kColumn; ++k) {
      to[kColumn * g + k] = static_cast<std::byte>((from[k] & 15) | (from[kColumn + k] & 15) << 4);
    }
  }
}

KquantCodes unpack_nibbles(const std::byte* from) {
  KquantCodes codes;
  for (std::size_t j = 0; j < 8; ++j) {
    for (std::size_t k = 0; k < kColumn; ++k) {
      const int both = std::to_integer<int>(from[kColumn * (j / 2) + k]);
      codes[kColumn * j + k] = byte_of(j % 2 ? both >> 4 : both & 15);
    }
  }
  return codes;
}

void pack_pairs(std::span<const std::int32_t> codes, int shift, std::byte* to) {
  for (std::size_t h = 0; h < 2; ++h) {
    for (std::size_t k = 0; k < kColumn; ++k) {
      int bits = 0;
      for (std::size_t s = 0; s < 4; ++s) {
        bits |= ((codes[4 * kColumn * h + kColumn * s + k] >> shift) & 3) << (2 * s);
      }
      to[kColumn * h + k] = static_cast<std::byte>(bits);
    }
  }
}

KquantCodes unpack_pairs(const std::byte* from) {
  KquantCodes codes;
  for (std::size_t j = 0; j < 8; ++j) {
    for (std::size_t k = 0; k < kColumn; ++k) {
      codes[kColumn * j + k] = byte_of((std::to_integer<int>(from[kColumn * (j / 4) + k]) >> (2 * (j % 4))) & 3);
    }
  }
  return codes;
}

void pack_bits(std::span<const std::int32_t> codes, int shift, std::byte* to) {
  for (std::size_t k = 0; k < kColumn; ++k) {
    int bits = 0;
    for (std::size_t j = 0; j < 8; ++j) bits |= ((codes[kColumn * j + k] >> shift) & 1) << j;
    to[k] = static_cast<std::byte>(bits);
  }
}

void add_bits(const std::byte* from, int shift, KquantCodes& codes) {
  for (std::size_t j = 0; j < 8; ++j) {
    for (std::size_t k = 0; k < kColumn; ++k) {
      const int bit = (std::to_integer<int>(from[k]) >> j) & 1;
      codes[kColumn * j + k] = byte_of(codes[kColumn * j + k] | bit << shift);
    }
  }
}

}  // namespace quern
