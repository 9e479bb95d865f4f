// How the formats of 32 weights a block pack codes of 4 or 5 bits (layouts of ggml-common.h in llama.cpp):
//   5 bits only: 4 bytes of fifth bits: bit k of the little-endian word is that of code k
//   16 bytes: byte k holds the low 4 bits of code k low, of code 16 + k high
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace quern {

inline constexpr std::size_t kCodesOfBlock = 32;

template <int kBits>
inline constexpr std::size_t kCodeBytes = kCodesOfBlock * kBits / 8;

using StoredCodes = std::uint8_t __attribute__((vector_size(kCodesOfBlock)));

inline StoredCodes byte_codes(std::span<const std::int32_t> codes) {
  StoredCodes bytes;
  for (std::size_t k = 0; k < kCodesOfBlock; ++k) bytes[k] = static_cast<std::uint8_t>(codes[k]);
  return bytes;
}

template <int kBits>
void pack_codes(StoredCodes codes, std::byte* to) {
  static_assert(kBits == 4 || kBits == 5);
  if constexpr (kBits == 5) {
    std::uint32_t fifth = 0;
    for (std::size_t k = 0; k < kCodesOfBlock; ++k) fifth |= ((codes[k] >> 4) & 1u) << k;
    store(to, fifth);
    to += sizeof(fifth);
  }
  using Half = std::uint8_t __attribute__((vector_size(16)));
  const auto all = std::bit_cast<std::array<Half, 2>>(codes);
  store(to, static_cast<Half>((all[0] & 15) | (all[1] << 4)));
}

template <int kBits>
std::array<int, kCodesOfBlock> unpack_codes(const std::byte* from) {
  static_assert(kBits == 4 || kBits == 5);
  std::array<int, kCodesOfBlock> codes{};
  if constexpr (kBits == 5) {
    const auto fifth = load<std::uint32_t>(from);
    for (std::size_t k = 0; k < kCodesOfBlock; ++k) codes[k] = static_cast<int>((fifth >> k) & 1) << 4;
    from += sizeof(fifth);
  }
  for (std::size_t k = 0; k < 16; ++k) {
    const int both = std::to_integer<int>(from[k]);
    codes[k] |= both & 15;
    codes[16 + k] |= both >> 4;
  }
  return codes;
}

}  // namespace quern
