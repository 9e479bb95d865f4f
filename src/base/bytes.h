// Little-endian loads and stores, and arithmetic on sizes that come from files.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

namespace quern {

static_assert(std::endian::native == std::endian::little, "files are little-endian and are read in place");

using ByteSpan = std::span<const std::byte>;

template <typename T>
  requires std::is_trivially_copyable_v<T>
T load(const void* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <typename T>
  requires std::is_trivially_copyable_v<T>
void store(void* to, T value) noexcept {
  std::memcpy(to, &value, sizeof(T));
}

inline std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t out;
  return __builtin_mul_overflow(a, b, &out) ? std::nullopt : std::optional(out);
}

inline std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t out;
  return __builtin_add_overflow(a, b, &out) ? std::nullopt : std::optional(out);
}

// The smallest multiple of `unit` that is at least `n`. REQUIRES: unit > 0 and no overflow.
inline constexpr std::uint64_t round_up(std::uint64_t n, std::uint64_t unit) noexcept {
  return (n + unit - 1) / unit * unit;
}

}  // namespace quern
