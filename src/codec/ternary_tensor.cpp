// ternary_b3 and ternary_2bit: -1, 0 or 1 for each weight, and one scale of the whole tensor, in two planes.
//   codes   ternary_b3: a byte for 5 weights of a row, 81 q0 + 27 q1 + 9 q2 + 3 q3 + q4 with q = t + 1
//           ternary_2bit: a byte for 4 weights, q0 in the lowest 2 bits
//   scale   4 bytes: the scale, binary32
// A row ends with a whole byte, filled up with q = 1. For tensors of BitNet b1.58 (arXiv:2402.17764): where all
// magnitudes are one number and 0, that is the scale and nothing is lost; others are rounded to the mean of the
// magnitudes, as that model does in training.
#include <array>

#include "base/fail.h"
#include "codec/codec_table.h"
#include "codec/ternary_scale.h"

namespace quern {
namespace {

// Codes of a byte: its digits in a base, the place of each, and where bytes end that have them.
struct Base3 {
  static constexpr std::size_t kCodes = 5;
  static constexpr unsigned kBase = 3, kEnd = 243;
  static constexpr std::array<unsigned, kCodes> kPlaces = {81, 27, 9, 3, 1};
};
struct TwoBits {
  static constexpr std::size_t kCodes = 4;
  static constexpr unsigned kBase = 4, kEnd = 256;
  static constexpr std::array<unsigned, kCodes> kPlaces = {1, 4, 16, 64};
};

template <typename Layout>
struct Rows {
  static std::uint64_t bytes_of(const Codec&, std::size_t p, std::uint64_t weights) {
    return p == 0 ? (weights + Layout::kCodes - 1) / Layout::kCodes : 0;
  }

  static void pack(const Codec&, const std::byte*, std::span<const std::int32_t> codes, PlanePointers planes) {
    for (std::size_t k = 0; k < codes.size(); k += Layout::kCodes) {
      unsigned byte = 0;
      for (std::size_t j = 0; j < Layout::kCodes; ++j)
        byte += Layout::kPlaces[j] * (k + j < codes.size() ? static_cast<unsigned>(codes[k + j]) : 1);
      *planes[0]++ = static_cast<std::byte>(byte);
    }
  }

  // Of each byte, t of its codes; where it has none of 0..2, kNone first.
  using Unpacked = std::array<std::int8_t, Layout::kCodes>;
  static constexpr std::int8_t kNone = 2;
  static constexpr std::array<Unpacked, 256> kUnpacked = [] {
    std::array<Unpacked, 256> all{};
    for (unsigned byte = 0; byte < 256; ++byte) {
      bool is_whole = byte < Layout::kEnd;
      for (std::size_t j = 0; j < Layout::kCodes; ++j) {
        const unsigned code = byte / Layout::kPlaces[j] % Layout::kBase;
        all[byte][j] = static_cast<std::int8_t>(static_cast<int>(code) - 1);
        is_whole = is_whole && code <= 2;
      }
      if (!is_whole) all[byte][0] = kNone;
    }
    return all;
  }();

  static void decode(const Codec& codec, ConstPlanePointers planes, std::span<float> out) {
    const float scale = ternary_scale(codec);
    for (std::size_t k = 0; k < out.size(); k += Layout::kCodes) {
      const Unpacked& codes = kUnpacked[std::to_integer<std::size_t>(*planes[0]++)];
      if (codes[0] == kNone) fail(ErrorCode::kInput, "a byte of {} holds no codes", codec.name);
      for (std::size_t j = 0; j < Layout::kCodes && k + j < out.size(); ++j)
        out[k + j] = scale * static_cast<float>(codes[j]);
    }
  }
};

template <typename Layout>
constexpr Codec codec(const char* name, const char* summary, double bits) {
  Codec made = ternary_codec(name, summary, bits);
  made.pack = Rows<Layout>::pack;
  made.decode = Rows<Layout>::decode;
  made.row_bytes_of = Rows<Layout>::bytes_of;
  return made;
}

}  // namespace

constinit const Codec kTernary2Bit =
    codec<TwoBits>("ternary_2bit", "-1, 0 and 1 in 2 bits, one scale of the tensor", 2.0);
constinit const Codec kTernaryB3 =
    codec<Base3>("ternary_b3", "-1, 0 and 1, five in a byte, one scale of the tensor", 1.6);

}  // namespace quern
