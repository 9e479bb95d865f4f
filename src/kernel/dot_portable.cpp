// Vectors as arrays, for processors without kernels of their own and as the reference in tests.
#include <cmath>
#include <cstring>

#include "base/bytes.h"
#include "base/scalars.h"
#include "kernel/dot_kernels.h"

namespace quern {
namespace {

#define QUERN_DOT inline
#define QUERN_DOT_FUNCTION

struct Bytes {
  std::uint8_t at[64];
};
struct Ints {
  std::int32_t at[16];
};
struct Floats {
  float at[16];
};
struct Scales {
  std::int16_t at[16];
};
using WideScales = Scales;
struct LowInts {
  std::int32_t at[8];
};
struct Pairs {
  float at[8];
};
struct Quads {
  float at[4];
};
using Spread = Scales;  // one for each 16 columns; `quarter` chose them

constexpr std::size_t kWideRows = 1;

unsigned byte_at(const std::byte* p, std::size_t i) { return std::to_integer<unsigned>(p[i]); }

template <typename Vector, typename Term>
Vector each(Term term) {
  Vector out;
  for (std::size_t i = 0; i < std::size(out.at); ++i)
    out.at[i] = static_cast<std::decay_t<decltype(out.at[0])>>(term(i));
  return out;
}

Bytes load_bytes(const std::int8_t* p) { return load<Bytes>(p); }
Ints load_ints(const std::int32_t* p) { return load<Ints>(p); }
Bytes load_halves(const std::byte* a, const std::byte* b) {
  return each<Bytes>([&](std::size_t i) { return i < 32 ? byte_at(a, i) : byte_at(b, i - 32); });
}
unsigned nibble(const std::byte* p, std::size_t half, std::size_t i) {
  return i < half ? byte_at(p, i) & 15 : byte_at(p, i - half) >> 4;
}
Bytes load_nibbles(const std::byte* p) {
  return each<Bytes>([&](std::size_t i) { return nibble(p, 32, i); });
}
Bytes with_fifth_bits(Bytes codes, const std::byte* high, unsigned quarter) {
  return each<Bytes>(
      [&](std::size_t i) { return codes.at[i] | ((byte_at(high, i % 32) >> (2 * quarter + i / 32)) & 1) << 4; });
}
Bytes load_six_bits(const std::byte* low, const std::byte* high, unsigned part) {
  return each<Bytes>([&](std::size_t i) {
    const unsigned bits = byte_at(high, i % 32) >> (2 * (2 * part + i / 32));
    return ((byte_at(low, i) >> (4 * part)) & 15) | (bits & 3) << 4;
  });
}
Bytes load_two_bits(const std::byte* p, unsigned part) {
  return each<Bytes>([&](std::size_t i) { return (byte_at(p, i % 32) >> (4 * part + 2 * (i / 32))) & 3; });
}
// As tq1_0.cpp has them: column `quarter` * 64 + i is code n of a byte of one of three runs.
Bytes load_trits(const std::byte* p, unsigned quarter) {
  constexpr unsigned kPowers[] = {1, 3, 9, 27, 81};
  return each<Bytes>([&](std::size_t i) {
    const std::size_t column = 64 * quarter + i, first = column < 160 ? 0 : column < 240 ? 160 : 240;
    const std::size_t bytes = column < 160   ? 32
                              : column < 240 ? 16
                                             : 4,
                      run = column < 160   ? 0
                            : column < 240 ? 32
                                           : 48;
    const unsigned byte = byte_at(p, run + (column - first) % bytes);
    return 3 * (byte * kPowers[(column - first) / bytes] & 255) >> 8;
  });
}
Bytes from_signed(Bytes codes) {
  return each<Bytes>([&](std::size_t i) { return codes.at[i] ^ 0x80u; });
}

Ints dot_of_4(const Bytes& codes, const Bytes& x, const Ints& start) {
  Ints out = start;
  for (std::size_t i = 0; i < 64; ++i) out.at[i / 4] += codes.at[i] * static_cast<std::int8_t>(x.at[i]);
  return out;
}
Ints dot_bytes(const Bytes& codes, const Bytes& x, const Ints& start) { return dot_of_4(codes, x, start); }
struct Nibbles {
  Bytes low, high;
};
Nibbles load_four_nibbles(const std::byte* a, const std::byte* b, const std::byte* c, const std::byte* d) {
  const std::byte* const from[] = {a, b, c, d};
  return {each<Bytes>([&](std::size_t i) { return nibble(from[i / 16], 16, i % 16); }),
          each<Bytes>([&](std::size_t i) { return nibble(from[i / 16], 16, 16 + i % 16); })};
}
Ints dot_nibbles(const Nibbles& codes, const Bytes& low, const Bytes& high, const Ints& start) {
  return dot_of_4(codes.high, high, dot_of_4(codes.low, low, start));
}

Ints dot_small(const Bytes (&codes)[4], const std::int8_t* x, Ints start) {
  for (std::size_t quarter = 0; quarter < 4; ++quarter)
    start = dot_of_4(codes[quarter], load_bytes(x + 64 * quarter), start);
  return start;
}
Ints minus_sums(const std::int16_t* sums) {
  return each<Ints>([&](std::size_t i) { return i < 8 ? -(sums[2 * i] + sums[2 * i + 1]) : 0; });
}

Ints zero_ints() { return {}; }
Ints times_minus_32(const LowInts& a) {
  return each<Ints>([&](std::size_t i) { return i < 8 ? -32 * a.at[i] : 0; });
}
WideScales to_wide(const Scales& scales) { return scales; }
Scales widen(const std::byte* p) {
  return each<Scales>([&](std::size_t i) { return load<std::int8_t>(p + i); });
}
Scales twice(std::uint64_t eight) {
  return each<Scales>([&](std::size_t i) { return (eight >> (8 * (i / 2))) & 255; });
}
Spread spread(const Scales& scales, unsigned quarter) {
  return each<Spread>([&](std::size_t i) { return scales.at[(4 * quarter + i) % 16]; });
}
LowInts low_dot(const Scales& scales, const std::int16_t* sums) {
  return each<LowInts>(
      [&](std::size_t i) { return scales.at[2 * i] * sums[2 * i] + scales.at[2 * i + 1] * sums[2 * i + 1]; });
}
Ints add_scaled_dot(const Ints& sum, const Bytes& codes, const Bytes& x, const Spread& scales) {
  const Ints dots = dot_of_4(codes, x, {});
  return each<Ints>([&](std::size_t i) { return sum.at[i] + dots.at[i] * scales.at[i / 4]; });
}

Floats zero_floats() { return {}; }
Floats to_floats(const Ints& a) {
  return each<Floats>([&](std::size_t i) { return static_cast<float>(a.at[i]); });
}
Floats fma(const Floats& a, const Floats& b, const Floats& c) {
  return each<Floats>([&](std::size_t i) { return std::fma(a.at[i], b.at[i], c.at[i]); });
}
template <std::size_t kRows>
Pairs pairs_of_f16(const std::uint32_t (&halves)[kRows]) {
  return each<Pairs>([&](std::size_t i) {
    return i < 2 * kRows ? f16_to_f32(static_cast<std::uint16_t>(halves[i / 2] >> (16 * (i % 2)))) : 0.0f;
  });
}
Pairs times_pair(const Pairs& a, const float* pair) {
  return each<Pairs>([&](std::size_t i) { return a.at[i] * pair[i % 2]; });
}
Quads quads_of_f16(std::uint64_t halves) {
  return each<Quads>([&](std::size_t i) { return f16_to_f32(static_cast<std::uint16_t>(halves >> (16 * i))); });
}
Quads times_four(const Quads& a, const float* four) {
  return each<Quads>([&](std::size_t i) { return a.at[i] * four[i]; });
}
Floats spread_quads(const Quads& a) {
  return each<Floats>([&](std::size_t i) { return a.at[i / 4]; });
}
Pairs times_eight(const Pairs& a, const float* eight) {
  return each<Pairs>([&](std::size_t i) { return a.at[i] * eight[i]; });
}
Floats lanes_of(const Pairs& a, std::size_t which) {
  return each<Floats>([&](std::size_t) { return a.at[which]; });
}
Floats lanes_of_pair(const float* pair) {
  return each<Floats>([&](std::size_t i) { return pair[i / 8]; });
}
Floats lanes_of_pair(const Pairs& a, std::size_t pair) { return lanes_of_pair(a.at + 2 * pair); }
Floats fma_low(const LowInts& a, const Pairs& scales, std::size_t which, const Floats& c) {
  return each<Floats>([&](std::size_t i) {
    return i < 8 ? std::fma(static_cast<float>(a.at[i]), scales.at[which], c.at[i]) : c.at[i];
  });
}
Floats load_f32(const void* p) { return load<Floats>(p); }
Floats load_f16(const std::byte* p) {
  return each<Floats>([&](std::size_t i) { return f16_to_f32(load<std::uint16_t>(p + 2 * i)); });
}
Floats load_bf16(const std::byte* p) {
  return each<Floats>([&](std::size_t i) { return bf16_to_f32(load<std::uint16_t>(p + 2 * i)); });
}
float sum_of(Floats lanes) {
  for (std::size_t half = 8; half > 0; half /= 2)
    for (std::size_t l = 0; l < half; ++l) lanes.at[l] += lanes.at[l + half];
  return lanes.at[0];
}

#include "kernel/dot_body.inc"

}  // namespace

const DotKernels kPortableDots = {"portable", [] { return true; }, kProducts};

}  // namespace quern
