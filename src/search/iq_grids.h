// Grids of llama.cpp's IQ1, IQ2 and IQ3: each code is the number of an entry, which gives 8 or 4 weights at once.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace quern {

// Eight places of 2 bits in a list of three values, the first in the low bits.
extern const std::array<std::uint16_t, 2048> kIq1Grid;
extern const std::array<std::uint16_t, 256> kIq2XxsGrid;
extern const std::array<std::uint16_t, 512> kIq2XsGrid;
extern const std::array<std::uint16_t, 1024> kIq2SGrid;
// Four places of 4 bits in a list of eight values.
extern const std::array<std::uint16_t, 256> kIq3XxsGrid;
extern const std::array<std::uint16_t, 512> kIq3SGrid;

// Signs of eight weights of which seven are stored: the number of negative ones is even (ksigns_iq2xs of llama.cpp).
inline unsigned even_signs(unsigned seven) { return seven | (static_cast<unsigned>(std::popcount(seven)) & 1) << 7; }

// out[k] = scale * the value at place k of the entry, negative where bit k of `signs` is set.
template <unsigned kBits, std::size_t kValues>
void decode_entry(unsigned entry, const std::array<float, kValues>& values, unsigned signs, float scale, float* out) {
  for (unsigned k = 0; k < 16 / kBits; ++k) {
    const float value = scale * values[entry >> (kBits * k) & ((1u << kBits) - 1)];
    out[k] = signs >> k & 1 ? -value : value;
  }
}

}  // namespace quern
