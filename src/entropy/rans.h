// Static range asymmetric numeral systems (Duda 2013, arXiv:1311.2540) of bytes: a table of frequencies is stored once,
// then any number of streams are coded with it, each on its own, close to their entropy.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace quern {

using SymbolCounts = std::array<std::uint64_t, 256>;

inline constexpr std::uint32_t kRansBits = 12;
inline constexpr std::uint32_t kRansTotal = 1u << kRansBits;  // what the frequencies of a table sum to

// How often each byte is expected, in parts of 4096. A byte without a frequency of its own is coded as the `escape`
// symbol, followed elsewhere by the byte itself, and so is the escape symbol; every byte can be coded with every table.
// (A frequency of 1 for each of the 256 would take a sixteenth of the parts: 0.09 bits of every symbol.)
// Constant once made: any thread may read it.
class FrequencyTable {
 public:
  // At least 1 for every byte counted: by rounding, then by whichever step costs least until the sum is right, the same
  // from every compiler. The rarest byte, the first of equals, becomes the escape symbol.
  // REQUIRES: fewer than 2^50 counted.
  static FrequencyTable from_counts(const SymbolCounts& counts);
  // The inverse of serialise. Throws kInput unless the bytes are exactly what serialise would write.
  static FrequencyTable parse(ByteSpan bytes);

  // The escape symbol; then the frequencies of symbols 0..255 as LEB128, where a zero is followed by a byte that counts
  // the zeros behind it. At most 513 bytes.
  std::vector<std::byte> serialise() const;

  std::uint32_t frequency(std::uint8_t symbol) const { return frequencies_[symbol]; }  // 0: escaped
  std::uint8_t escape() const { return escape_; }

  // Bits of symbols that occur so often, without what starts and ends a stream.
  double expected_bits(const SymbolCounts& counts) const;

  // What the coder needs of a symbol: of the escape symbol for those that are escaped.
  struct Coding {
    std::uint64_t reciprocal;  // ceil(2^44 / frequency)
    std::uint16_t frequency, start;
    std::uint32_t escaped;  // 1: the byte itself is stored as well
  };
  // What the decoder needs of a slot, a number 0..4095 that belongs to the symbol with start <= slot < start +
  // frequency.
  struct Slot {
    std::uint16_t frequency, offset;  // offset: slot - start
  };
  const Coding* codings() const { return codings_.data(); }                  // 256
  const Slot* slots() const { return slots_.data(); }                        // 4096
  const std::uint8_t* slot_symbols() const { return slot_symbols_.data(); }  // 4096

 private:
  FrequencyTable(const std::array<std::uint16_t, 256>& frequencies, std::uint8_t escape);

  std::array<std::uint16_t, 256> frequencies_;
  std::uint8_t escape_;
  std::vector<Coding> codings_;
  std::vector<Slot> slots_;
  std::vector<std::uint8_t> slot_symbols_;
};

// Symbols of a stream that share a table.
struct SymbolRun {
  const FrequencyTable* table;
  std::span<const std::uint8_t> symbols;
};
struct DecodedRun {
  const FrequencyTable* table;
  std::span<std::uint8_t> symbols;
};

// Coder states that take turns in a stream of so many symbols: 1, 4 (from 256 symbols) or 8 (from 2048). A stream takes
// about 3 bytes beside its symbols and 1 more for every further state; one state alone is three times slower than four.
inline constexpr std::size_t kMostRansLanes = 8;
std::size_t rans_lanes(std::size_t symbols);

// Appends one stream of all runs to `out`. `carried`, at most rans_lanes - 1 numbers, are any 16-bit values: lane k
// starts at 2^16 + carried[k] instead of 2^16, so that the 32 bits in which a state is stored are not half empty.
void rans_encode(std::span<const SymbolRun> runs, std::span<const std::uint16_t> carried, std::vector<std::byte>& out);

// The inverse, for runs and carried numbers of the same lengths. Throws kInput unless every byte of `coded` is used and
// all states return to where they started; never reads outside `coded`.
void rans_decode(ByteSpan coded, std::span<const DecodedRun> runs, std::span<std::uint16_t> carried);

}  // namespace quern
