// Frequencies of a rANS coder: normalised, serialised, parsed, and laid out for coder and decoder.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/fail.h"
#include "entropy/rans.h"

namespace quern {
namespace {

using Frequencies = std::array<std::uint16_t, 256>;

std::uint64_t sum_of(const SymbolCounts& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

// The symbol whose frequency is changed with the least loss, or the largest gain, by `step`.
std::size_t best_change(const SymbolCounts& counts, const Frequencies& frequencies, int step) {
  std::size_t best = 256;
  double best_gain = 0;
  for (std::size_t s = 0; s < 256; ++s) {
    if (frequencies[s] == 0 || (step < 0 && frequencies[s] == 1)) continue;
    // The gain is counts * log2((f + step) / f) bits, in proportion to about step * counts / (f + step / 2).
    const double gain = step * static_cast<double>(counts[s]) / (frequencies[s] + 0.5 * step);
    if (best == 256 || gain > best_gain) {
      best = s;
      best_gain = gain;
    }
  }
  return best;
}

// Of the symbols counted and of `escape`, which may be one that never occurs.
Frequencies normalised(const SymbolCounts& counts, std::size_t escape) {
  const std::uint64_t total = std::max<std::uint64_t>(sum_of(counts), 1);
  Frequencies frequencies{};
  std::uint32_t sum = 0;
  for (std::size_t s = 0; s < 256; ++s) {
    if (counts[s] == 0 && s != escape) continue;
    frequencies[s] =
        static_cast<std::uint16_t>(std::max<std::uint64_t>(1, (counts[s] * kRansTotal + total / 2) / total));
    sum += frequencies[s];
  }
  for (; sum > kRansTotal; --sum) --frequencies[best_change(counts, frequencies, -1)];
  for (; sum < kRansTotal; ++sum) ++frequencies[best_change(counts, frequencies, 1)];
  return frequencies;
}

[[noreturn]] void fail_table(const char* what) { fail(ErrorCode::kInput, "a table of frequencies {}", what); }

// Reads bytes one by one.
class Reader {
 public:
  explicit Reader(ByteSpan bytes) : bytes_(bytes) {}

  std::uint8_t next() {
    if (bytes_.empty()) fail_table("ends early");
    const auto value = std::to_integer<std::uint8_t>(bytes_.front());
    bytes_ = bytes_.subspan(1);
    return value;
  }
  bool at_end() const { return bytes_.empty(); }

 private:
  ByteSpan bytes_;
};

}  // namespace

FrequencyTable::FrequencyTable(const Frequencies& frequencies, std::uint8_t escape)
    : frequencies_(frequencies), escape_(escape), codings_(256), slots_(kRansTotal), slot_symbols_(kRansTotal) {
  std::uint32_t start = 0;
  for (std::size_t s = 0; s < 256; ++s) {
    const std::uint16_t f = frequencies[s];
    if (f == 0) continue;
    codings_[s] = {((std::uint64_t{1} << 44) + f - 1) / f, f, static_cast<std::uint16_t>(start), s == escape};
    for (std::uint16_t offset = 0; offset < f; ++offset, ++start) {
      slots_[start] = {f, offset};
      slot_symbols_[start] = static_cast<std::uint8_t>(s);
    }
  }
  for (std::size_t s = 0; s < 256; ++s)
    if (frequencies[s] == 0) codings_[s] = codings_[escape];
}

FrequencyTable FrequencyTable::from_counts(const SymbolCounts& counts) {
  const std::uint64_t total = sum_of(counts);
  ensure(total < std::uint64_t{1} << 50, "a table of frequencies of {} symbols", total);
  const std::size_t escape = static_cast<std::size_t>(std::ranges::min_element(counts) - counts.begin());
  return {normalised(counts, escape), static_cast<std::uint8_t>(escape)};
}

std::vector<std::byte> FrequencyTable::serialise() const {
  std::vector<std::byte> out{std::byte{escape_}};
  for (std::size_t s = 0; s < 256;) {
    const std::uint32_t f = frequencies_[s++];
    if (f == 0) {
      const std::size_t first = s;
      while (s < 256 && frequencies_[s] == 0) ++s;
      out.insert(out.end(), {std::byte{0}, static_cast<std::byte>(s - first)});
    } else if (f < 128) {
      out.push_back(static_cast<std::byte>(f));
    } else {
      out.insert(out.end(), {static_cast<std::byte>(f % 128 + 128), static_cast<std::byte>(f / 128)});
    }
  }
  return out;
}

FrequencyTable FrequencyTable::parse(ByteSpan bytes) {
  Reader reader(bytes);
  const std::uint8_t escape = reader.next();
  Frequencies frequencies{};
  std::uint32_t sum = 0;
  for (std::size_t s = 0; s < 256; ++s) {
    std::uint32_t f = reader.next();
    if (f == 0) {
      if (s > 0 && frequencies[s - 1] == 0) fail_table("has two runs of zeros in a row");
      const std::size_t zeros = reader.next();
      if (zeros > 255 - s) fail_table("has more than 256 symbols");
      s += zeros;
      continue;
    }
    if (f >= 128) {
      const std::uint32_t high = reader.next();
      if (high == 0) fail_table("has a frequency in more bytes than it takes");
      f = f - 128 + high * 128;
    }
    sum += f;
    if (sum > kRansTotal) fail_table("sums to more than 4096");
    frequencies[s] = static_cast<std::uint16_t>(f);
  }
  if (!reader.at_end()) fail_table("has bytes behind its end");
  if (sum != kRansTotal) fail_table("does not sum to 4096");
  if (frequencies[escape] == 0) fail_table("has an escape symbol that does not occur");
  return {frequencies, escape};
}

double FrequencyTable::expected_bits(const SymbolCounts& counts) const {
  double bits = 0;
  for (std::size_t s = 0; s < 256; ++s) {
    const double coded = kRansBits - std::log2(static_cast<double>(codings_[s].frequency));
    bits += static_cast<double>(counts[s]) * (coded + 8 * codings_[s].escaped);
  }
  return bits;
}

}  // namespace quern
