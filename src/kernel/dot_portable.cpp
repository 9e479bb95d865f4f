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
using Spread = Scales;  // one for each 16 columns; `quarter` chose them

constexpr std::size_t kRowsOfOneToken = 1, kWideRows = 1;

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
Bytes load_nibble_halves(const std::byte* a, const std::byte* b) {
  return each<Bytes>([&](std::size_t i) { return i < 32 ? nibble(a, 16, i) : nibble(b, 16, i - 32); });
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
Bytes from_signed(Bytes codes) {
  return each<Bytes>([&](std::size_t i) { return codes.at[i] ^ 0x80u; });
}

Ints dot_of_4(const Bytes& codes, const Bytes& x, const Ints& start) {
  Ints out = start;
  for (std::size_t i = 0; i < 64; ++i) out.at[i / 4] += codes.at[i] * static_cast<std::int8_t>(x.at[i]);
  return out;
}
Ints times(const Ints& a, std::int32_t factor) {
  return each<Ints>([&](std::size_t i) { return a.at[i] * factor; });
}
Ints dot_bytes(const Bytes& codes, const Bytes& x, const Ints& negative_sums) {
  return dot_of_4(codes, x, times(negative_sums, 128));
}
Ints dot_nibbles(const Bytes& codes, const Bytes& x, const Ints& negative_sums) {
  return dot_of_4(codes, x, times(negative_sums, 8));
}

Ints zero_ints() { return {}; }
Ints times_minus_32(const Ints& a) { return times(a, -32); }
Scales widen(const std::byte* p) {
  return each<Scales>([&](std::size_t i) { return load<std::int8_t>(p + i); });
}
Scales twice(std::uint64_t eight) {
  return each<Scales>([&](std::size_t i) { return (eight >> (8 * (i / 2))) & 255; });
}
Spread spread(const Scales& scales, unsigned quarter) {
  return each<Spread>([&](std::size_t i) { return scales.at[(4 * quarter + i) % 16]; });
}
Ints low_dot(const Scales& scales, const std::int16_t* sums) {
  return each<Ints>([&](std::size_t i) {
    return i < 8 ? scales.at[2 * i] * sums[2 * i] + scales.at[2 * i + 1] * sums[2 * i + 1] : 0;
  });
}
Ints add_scaled_dot(const Ints& sum, const Bytes& codes, const Bytes& x, const Spread& scales) {
  const Ints dots = dot_of_4(codes, x, {});
  return each<Ints>([&](std::size_t i) { return sum.at[i] + dots.at[i] * scales.at[i / 4]; });
}

Floats zero_floats() { return {}; }
Floats all_lanes_of(float value) {
  return each<Floats>([&](std::size_t) { return value; });
}
Floats to_floats(const Ints& a) {
  return each<Floats>([&](std::size_t i) { return static_cast<float>(a.at[i]); });
}
Floats mul(const Floats& a, const Floats& b) {
  return each<Floats>([&](std::size_t i) { return a.at[i] * b.at[i]; });
}
Floats fma(const Floats& a, const Floats& b, const Floats& c) {
  return each<Floats>([&](std::size_t i) { return std::fma(a.at[i], b.at[i], c.at[i]); });
}
Floats pair_of_f32(const float* p) {
  return each<Floats>([&](std::size_t i) { return p[i / 8]; });
}
Floats pair_of_f16(const std::byte* a, const std::byte* b) {
  const float values[] = {f16_to_f32(load<std::uint16_t>(a)), f16_to_f32(load<std::uint16_t>(b))};
  return pair_of_f32(values);
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
