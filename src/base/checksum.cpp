// Four chains side by side, each word pair folded in by a product of 64 x 64 bits (as wyhash does).
#include "base/checksum.h"

#include <array>
#include <cstring>

namespace quern {
namespace {

constexpr std::size_t kChains = 4;
constexpr std::size_t kRound = kChains * 2 * sizeof(std::uint64_t);
using Chains = std::array<std::uint64_t, kChains>;
// wyhash's, with as many ones as zeros in every byte.
constexpr Chains kSecrets{0xa0761d6478bd642f, 0xe7037ed1a0b428db, 0x8ebc6af09c88c6e3, 0x589965cc75374cc3};

std::uint64_t folded(std::uint64_t a, std::uint64_t b) {
  __extension__ using Product = unsigned __int128;
  const Product product = static_cast<Product>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

void add_round(const std::byte* from, Chains& chains) {
  std::array<std::uint64_t, 2 * kChains> words;
  std::memcpy(words.data(), from, kRound);
  for (std::size_t i = 0; i < kChains; ++i)
    chains[i] = folded(words[2 * i] ^ chains[i], words[2 * i + 1] ^ kSecrets[i]);
}

}  // namespace

std::uint64_t checksum_of(ByteSpan bytes) {
  // From zero, a first word of zero would hide the second; from its own secret, the two could change places.
  Chains chains{kSecrets[1], kSecrets[2], kSecrets[3], kSecrets[0]};
  std::size_t at = 0;
  for (; at + kRound <= bytes.size(); at += kRound) add_round(bytes.data() + at, chains);
  if (at < bytes.size()) {
    std::array<std::byte, kRound> rest{};
    std::memcpy(rest.data(), bytes.data() + at, bytes.size() - at);
    add_round(rest.data(), chains);
  }
  std::uint64_t sum = bytes.size();
  for (const std::uint64_t chain : chains) sum = folded(sum ^ kSecrets[0], chain ^ kSecrets[1]);
  return sum;
}

}  // namespace quern
