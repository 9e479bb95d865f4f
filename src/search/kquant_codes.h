// How k-quants pack the codes of a super-block of 256 weights: bits of each code in planes of 32 bytes a column, so
// that byte k of a plane holds parts of the codes k, 32 + k, 64 + k ... (layouts of ggml-common.h in llama.cpp).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace quern {

inline constexpr std::size_t kSuperBlock = 256;

// Codes of a super-block read back, a byte each.
using KquantCodes = std::array<std::uint8_t, kSuperBlock>;

// Low 4 bits of each code, 128 bytes: byte 32 g + k holds code 64 g + k low, code 64 g + 32 + k high.
inline constexpr std::size_t kNibbleBytes = kSuperBlock / 2;
void pack_nibbles(std::span<const std::int32_t> codes, std::byte* to);
KquantCodes unpack_nibbles(const std::byte* from);

// Bits `shift` and `shift` + 1 of each code, 64 bytes: byte 32 h + k holds those of code 128 h + 32 s + k at bit 2 s.
inline constexpr std::size_t kPairBytes = kSuperBlock / 4;
void pack_pairs(std::span<const std::int32_t> codes, int shift, std::byte* to);
KquantCodes unpack_pairs(const std::byte* from);

// Bit `shift` of each code, 32 bytes: bit j of byte k is that of code 32 j + k.
inline constexpr std::size_t kBitBytes = kSuperBlock / 8;
void pack_bits(std::span<const std::int32_t> codes, int shift, std::byte* to);
// Adds them to codes that hold the bits below.
void add_bits(const std::byte* from, int shift, KquantCodes& codes);

}  // namespace quern
