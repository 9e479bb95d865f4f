// Eight numbers take as many bytes as each has bits, and lie in them as in any other eight. Four lie within 16 bytes.
#include "codec/packed_numbers.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/fail.h"
#include "search/lanes.h"

namespace quern {
namespace {

constexpr std::size_t kEight = 8, kHalf = 4, kWord = 4, kReach = 32;  // bytes that reading eight numbers may touch
constexpr unsigned kMostBits = 24;

#if defined(QUERN_LANES_AVX2)
class Eight {
 public:
  Eight(const std::array<std::uint8_t, 32>& shuffle, const std::array<std::uint32_t, kEight>& shifts,
        std::size_t second, unsigned bits)
      : shuffle_(_mm256_load_si256(reinterpret_cast<const __m256i*>(shuffle.data()))),
        shifts_(_mm256_load_si256(reinterpret_cast<const __m256i*>(shifts.data()))),
        mask_(_mm256_set1_epi32(static_cast<int>((1u << bits) - 1))),
        second_(second) {}
  void read(const std::byte* from, std::uint32_t* to) const {
    const auto half = [&](std::size_t at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at)); };
    const __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(half(0)), half(second_), 1);
    const __m256i words = _mm256_srlv_epi32(_mm256_shuffle_epi8(bytes, shuffle_), shifts_);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_and_si256(words, mask_));
  }

 private:
  __m256i shuffle_, shifts_, mask_;
  std::size_t second_;
};
#else
class Eight {
 public:
  Eight(const std::array<std::uint8_t, 32>& shuffle, const std::array<std::uint32_t, kEight>& shifts,
        std::size_t second, unsigned bits)
      : shuffle_(shuffle), shifts_(shifts), second_(second), mask_((1u << bits) - 1) {}
  void read(const std::byte* from, std::uint32_t* to) const {
    for (std::size_t i = 0; i < kEight; ++i) {
      const std::byte* half = from + (i < kHalf ? 0 : second_);
      std::uint32_t word = 0;
      for (std::size_t k = 0; k < kWord; ++k)
        word |= std::to_integer<std::uint32_t>(half[shuffle_[i * kWord + k]]) << 8 * k;
      to[i] = word >> shifts_[i] & mask_;
    }
  }

 private:
  const std::array<std::uint8_t, 32>& shuffle_;
  const std::array<std::uint32_t, kEight>& shifts_;
  std::size_t second_;
  std::uint32_t mask_;
};
#endif

}  // namespace

PackedNumbers::PackedNumbers(Order order, unsigned bits, unsigned skipped) : bits_(bits), skipped_(skipped) {
  ensure(bits > 0 && bits <= kMostBits && skipped < 8, "numbers of {} bits behind {}", bits, skipped);
  second_ = (skipped + kHalf * bits) / 8;
  for (std::size_t i = 0; i < kEight; ++i) {
    const auto at = static_cast<unsigned>(skipped + i * bits), within = at % 8;
    const std::size_t first = at / 8 - (i < kHalf ? 0 : second_);
    shifts_[i] = order == Order::kLowFirst ? within : 8 * kWord - within - bits;
    for (std::size_t k = 0; k < kWord; ++k)
      shuffle_[i * kWord + (order == Order::kLowFirst ? k : kWord - 1 - k)] = static_cast<std::uint8_t>(first + k);
  }
}

void PackedNumbers::read(std::span<const std::byte> row, std::span<std::uint32_t> to) const {
  const Eight eight(shuffle_, shifts_, second_, bits_);
  std::size_t i = 0, at = 0;
  for (; i < to.size() && at + kReach <= row.size(); i += kEight, at += bits_) eight.read(row.data() + at, &to[i]);
  for (; i < to.size(); i += kEight, at += bits_) {
    std::byte last[kReach] = {};
    if (at < row.size()) std::memcpy(last, row.data() + at, std::min(kReach, row.size() - at));
    eight.read(last, &to[i]);
  }
  const std::size_t whole = (8 * row.size() - std::min<std::size_t>(skipped_, 8 * row.size())) / bits_;
  if (whole < to.size()) std::ranges::fill(to.subspan(whole), 0u);
}

}  // namespace quern
