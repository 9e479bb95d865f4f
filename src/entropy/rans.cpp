// Coder and decoder of rANS streams: 32-bit states that take turns, refilled by 16 bits at a time.
//
//   bytes                 content
//   4 * lanes             the states, of lane 0 first
//   2 each                words, in the order in which the decoder takes them
//   1 each                escaped bytes, the first at the end of the stream
//
// Symbol k of a run belongs to lane k % lanes. States are 2^16..2^32 - 1. A symbol of frequency f and start s takes a
// state x to (x / f) * 4096 + x % f + s, after x has given its low 16 bits to a word if x >= f * 2^20; the decoder goes
// the same way back.
#include "entropy/rans.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/fail.h"

namespace quern {
namespace {

constexpr std::uint32_t kLeastState = 1u << 16;
constexpr std::size_t kStateBytes = 4, kWordBytes = 2;

// A value of which the compiler knows nothing. Without it g++ turns the choices below into branches that are
// mispredicted once in six symbols, or gathers the states of all lanes in vectors: half the speed either way.
inline std::uint32_t opaque(std::uint32_t value) {
  asm("" : "+r"(value));
  return value;
}

// Writes from the last symbol to the first, and so from the end of its memory to the front.
template <std::size_t kLanes>
class Encoder {
 public:
  Encoder(std::span<const std::uint16_t> carried, std::byte* end) : at_(end) {
    states_.fill(kLeastState);
    for (std::size_t k = 0; k < carried.size(); ++k) states_[k] += carried[k];
  }

  // Returns whether a symbol was escaped.
  bool take(const SymbolRun& run) {
    const FrequencyTable::Coding* codings = run.table->codings();
    const std::uint8_t* symbols = run.symbols.data();
    std::array<std::uint32_t, kLanes> states = states_;
    std::byte* at = at_;
    std::uint32_t escaped = 0;
    const auto push = [&](std::uint32_t& state, std::uint8_t symbol) {
      const FrequencyTable::Coding& coding = codings[symbol];
      escaped |= coding.escaped;
      std::uint32_t x = state;
      const bool is_full = x >> 20 >= coding.frequency;
      store(at - kWordBytes, static_cast<std::uint16_t>(x));  // stays only if `at` moves
      const std::uint32_t emptied = opaque(x >> 16);
      x = is_full ? emptied : x;
      at -= kWordBytes * std::size_t{is_full};
      const auto quotient = static_cast<std::uint32_t>(x * coding.reciprocal >> 44);  // exact for x < frequency * 2^20
      state = x + quotient * (kRansTotal - coding.frequency) + coding.start;
    };
    const std::size_t whole = run.symbols.size() / kLanes * kLanes;
    for (std::size_t k = run.symbols.size(); k-- > whole;) push(states[k - whole], symbols[k]);
    for (std::size_t first = whole; first > 0;) {
      first -= kLanes;
      for (std::size_t lane = kLanes; lane-- > 0;) push(states[lane], symbols[first + lane]);
    }
    states_ = states;
    at_ = at;
    return escaped != 0;
  }

  // The front of what was written.
  const std::byte* finish() {
    at_ -= sizeof(states_);
    store(at_, states_);
    return at_;
  }

 private:
  std::array<std::uint32_t, kLanes> states_;
  std::byte* at_;
};

// The bytes that the coder left to the end of the stream, the last first.
std::vector<std::byte> escaped_bytes(std::span<const SymbolRun> runs) {
  std::vector<std::byte> bytes;
  for (const SymbolRun& run : runs)
    for (const std::uint8_t symbol : run.symbols)
      if (run.table->codings()[symbol].escaped) bytes.push_back(static_cast<std::byte>(symbol));
  std::ranges::reverse(bytes);
  return bytes;
}

template <std::size_t kLanes>
void encode(std::span<const SymbolRun> runs, std::span<const std::uint16_t> carried, std::vector<std::byte>& out) {
  std::size_t most = (kLanes + 1) * kStateBytes;
  for (const SymbolRun& run : runs) most += run.symbols.size() * kWordBytes;
  const auto memory = std::make_unique_for_overwrite<std::byte[]>(most);
  std::byte* end = memory.get() + most;
  Encoder<kLanes> encoder(carried, end);
  bool is_escaped = false;
  for (std::size_t r = runs.size(); r-- > 0;) is_escaped |= encoder.take(runs[r]);
  out.insert(out.end(), encoder.finish(), static_cast<const std::byte*>(end));
  if (!is_escaped) return;
  const std::vector<std::byte> escaped = escaped_bytes(runs);
  out.insert(out.end(), escaped.begin(), escaped.end());
}

inline std::uint32_t without_symbol(const FrequencyTable::Slot* slots, std::uint32_t state) {
  const FrequencyTable::Slot slot = slots[state % kRansTotal];
  return slot.frequency * (state >> kRansBits) + slot.offset;
}

template <std::size_t kLanes>
class Decoder {
 public:
  explicit Decoder(ByteSpan coded) : at_(coded.data()), end_(coded.data() + coded.size()) {
    if (coded.size() < sizeof(states_)) fail_early();
    states_ = load<std::array<std::uint32_t, kLanes>>(at_);
    at_ += sizeof(states_);
    if (std::ranges::any_of(states_, [](std::uint32_t state) { return state < kLeastState; })) {
      fail(ErrorCode::kInput, "a rANS stream begins with a state below 2^16");
    }
  }

  void take(const DecodedRun& run) {
    const std::size_t done = take_whole(run);
    for (std::size_t k = done; k < run.symbols.size(); ++k) {
      std::uint32_t& state = states_[k % kLanes];
      run.symbols[k] = run.table->slot_symbols()[state % kRansTotal];
      state = without_symbol(run.table->slots(), state);
      if (state >= kLeastState) continue;
      if (end_ - at_ < static_cast<std::ptrdiff_t>(kWordBytes)) fail_early();
      state = state << 16 | load<std::uint16_t>(at_);
      at_ += kWordBytes;
    }
    fill_escaped(run);
  }

  void finish(std::span<std::uint16_t> carried) const {
    if (at_ != end_) fail(ErrorCode::kInput, "a rANS stream has {} bytes too many", end_ - at_);
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const std::uint32_t most = lane < carried.size() ? 0xffff : 0;
      if (states_[lane] - kLeastState > most) fail(ErrorCode::kInput, "a rANS stream does not end where it started");
      if (lane < carried.size()) carried[lane] = static_cast<std::uint16_t>(states_[lane] - kLeastState);
    }
  }

 private:
  [[noreturn]] static void fail_early() { fail(ErrorCode::kInput, "a rANS stream ends early"); }

  // As many symbols as certainly have their words: a multiple of the lanes. Returns how many.
  std::size_t take_whole(const DecodedRun& run) {
    const FrequencyTable::Slot* slots = run.table->slots();
    const std::uint8_t* slot_symbols = run.table->slot_symbols();
    const std::size_t count = run.symbols.size();
    std::uint8_t* symbols = run.symbols.data();
    std::array<std::uint32_t, kLanes> states = states_;
    const std::byte* at = at_;
    std::size_t k = 0;
    for (; k + kLanes <= count && end_ - at >= static_cast<std::ptrdiff_t>(kLanes * kWordBytes); k += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        symbols[k + lane] = slot_symbols[states[lane] % kRansTotal];
        const std::uint32_t x = without_symbol(slots, states[lane]);
        const std::uint32_t shift = opaque(x < kLeastState ? 16 : 0);
        states[lane] = x << shift | (load<std::uint16_t>(at) & ((1u << shift) - 1));
        at += shift / 8;
      }
    }
    states_ = states;
    at_ = at;
    return k;
  }

  void fill_escaped(const DecodedRun& run) {
    std::uint8_t* symbol = run.symbols.data();
    std::uint8_t* const end = symbol + run.symbols.size();
    while (symbol != end) {
      symbol =
          static_cast<std::uint8_t*>(std::memchr(symbol, run.table->escape(), static_cast<std::size_t>(end - symbol)));
      if (symbol == nullptr) return;
      if (at_ == end_) fail_early();
      *symbol++ = std::to_integer<std::uint8_t>(*--end_);
    }
  }

  std::array<std::uint32_t, kLanes> states_;
  const std::byte *at_, *end_;
};

template <std::size_t kLanes>
void decode(ByteSpan coded, std::span<const DecodedRun> runs, std::span<std::uint16_t> carried) {
  Decoder<kLanes> decoder(coded);
  for (const DecodedRun& run : runs) decoder.take(run);
  decoder.finish(carried);
}

template <typename Run>
std::size_t lanes_of(std::span<const Run> runs, std::size_t carried) {
  std::size_t symbols = 0;
  for (const Run& run : runs) symbols += run.symbols.size();
  const std::size_t lanes = rans_lanes(symbols);
  ensure(carried < lanes, "{} numbers carried by {} lanes", carried, lanes);
  return lanes;
}

}  // namespace

std::size_t rans_lanes(std::size_t symbols) { return symbols < 256 ? 1 : symbols < 2048 ? 4 : kMostRansLanes; }

void rans_encode(std::span<const SymbolRun> runs, std::span<const std::uint16_t> carried, std::vector<std::byte>& out) {
  const std::size_t lanes = lanes_of(runs, carried.size());
  (lanes == 1 ? encode<1> : lanes == 4 ? encode<4> : encode<kMostRansLanes>)(runs, carried, out);
}

void rans_decode(ByteSpan coded, std::span<const DecodedRun> runs, std::span<std::uint16_t> carried) {
  const std::size_t lanes = lanes_of(runs, carried.size());
  (lanes == 1 ? decode<1> : lanes == 4 ? decode<4> : decode<kMostRansLanes>)(coded, runs, carried);
}

}  // namespace quern
