// hyper_225, hyper_1600 and others: Hyper-Compression (docs/formats/hyper.md, src/search/hyper_grid.h), in planes.
//   codes    an index for each pair of a row, of as many bits as the largest of the tensor has: the first in the
//   highest
//            bits, with zeros in front of it that fill whole bytes
//   grid     HyperSide::serialise
// With _rans behind the name the indices are entropy coded:
//   rows     a rANS stream for each row: the first symbols of its pairs, then the second ones (hyper_side.h)
//   offsets  where each begins in the plane of rows, and where the last ends: u64
//   grid     HyperSide::serialise, with tables
// The code of a pair is its index, at its first weight; at its second 0.
#include "base/fail.h"
#include "codec/codec_table.h"
#include "codec/hyper_training.h"

namespace quern {
namespace {

using Side = HyperSetting::Side;

constexpr CodecPlane kPlanes[] = {{.name = "codes"}, {.name = "grid", .holds = CodecPlane::Holds::kTensorSide}};
constexpr CodecPlane kCodedPlanes[] = {{.name = "rows", .holds = CodecPlane::Holds::kRows},
                                       {.name = "offsets", .holds = CodecPlane::Holds::kOffsets},
                                       {.name = "grid", .holds = CodecPlane::Holds::kTensorSide}};

constexpr std::uint64_t pairs_of(std::uint64_t weights) { return (weights + 1) / 2; }

std::uint64_t bytes_of(const Codec& codec, std::size_t p, std::uint64_t weights) {
  if (p != 0) return 0;
  const auto nominal = static_cast<std::uint64_t>(2 * codec.bits_per_weight);
  return (pairs_of(weights) * (codec.tensor_side ? hyper_side(codec).grid().index_bits() : nominal) + 7) / 8;
}

void fit(const Codec&, std::span<const float>, std::span<const float>, std::byte*) {}

void put_pair(const HyperPlace::Pair& pair, std::size_t k, std::span<float> out) {
  out[k] = pair[0];
  if (k + 1 < out.size()) out[k + 1] = pair[1];
}

void round(const Codec& codec, const std::byte*, std::uint32_t, std::span<const float> weights, std::span<const float>,
           std::span<std::int32_t> codes, std::span<float> values) {
  const HyperGrid& grid = hyper_side(codec).grid();
  for (std::size_t k = 0; k < weights.size(); k += 2) {
    const bool is_whole = k + 1 < weights.size();
    const std::uint32_t index = grid.nearest(weights[k], is_whole ? weights[k + 1] : grid.padding());
    codes[k] = static_cast<std::int32_t>(index);
    if (is_whole) codes[k + 1] = 0;
    if (!values.empty()) put_pair(grid.value(index), k, values);
  }
}

void pack(const Codec& codec, const std::byte*, std::span<const std::int32_t> codes, PlanePointers planes) {
  const std::uint32_t bits = hyper_side(codec).grid().index_bits();
  std::uint64_t held = 0;
  unsigned held_bits = hyper_padding_bits(hyper_side(codec).grid(), pairs_of(codes.size()));
  for (std::size_t k = 0; k < codes.size(); k += 2) {
    held = held << bits | static_cast<std::uint64_t>(codes[k]);
    for (held_bits += bits; held_bits >= 8;) *planes[0]++ = static_cast<std::byte>(held >> (held_bits -= 8));
  }
}

void put_row(const Codec& codec, std::span<const std::byte> row, std::span<float> out) {
  HyperRows rows(codec, out.size());
  std::vector<std::uint32_t> indices(round_up(rows.pairs(), 8));
  rows.read(row, indices);
  for (std::size_t k = 0; k < out.size(); k += 2) put_pair(hyper_side(codec).grid().value(indices[k / 2]), k, out);
}

void decode(const Codec& codec, ConstPlanePointers planes, std::span<float> out) {
  put_row(codec, {planes[0], bytes_of(codec, 0, out.size())}, out);
}

void pack_row(const Codec& codec, std::span<const std::byte>, std::span<const std::int32_t> codes,
              std::vector<std::byte>& out) {
  if (codes.empty()) return;
  const HyperSide& side = hyper_side(codec);
  std::vector<std::uint8_t> rows(pairs_of(codes.size())), columns(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const HyperSymbols symbols = symbols_of(side.grid(), static_cast<std::uint32_t>(codes[2 * i]));
    rows[i] = symbols.row;
    columns[i] = symbols.column;
  }
  const SymbolRun runs[] = {{&side.tables().rows, rows}, {&side.tables().columns, columns}};
  rans_encode(runs, {}, out);
}

// The published settings: U-Net, Sheared-LLaMA, MobileNetV3. Ours have the same points on a side in proportion to the
// weights: for Gaussian and heavier tails 4 deviations err least for their bits. One class errs by 0.028 deviations
// where 1600 points meet Gaussian weights; more classes cost half a bit a weight there, and next to nothing where
// indices are entropy coded.
constexpr HyperSetting k225 = {15, 3, 4, Side::kSigmas, 0}, k1600 = {40, 3, 4, Side::kSigmas, 0.03f},
                       k1600Coded = {40, 3, 4, Side::kSigmas, 0}, k225Side01 = {15, 3, 0.1f, Side::kAbsolute, 0.001f},
                       k1600Side01 = {40, 3, 0.1f, Side::kAbsolute, 0.001f},
                       k1600Side08 = {40, 4, 0.8f, Side::kAbsolute, 0.001f};

// `bits`: of Gaussian weights, with a deviation of 0.02 where the side is a length; entropy coded, in rows of 2048.
template <const HyperSetting& kSetting, HyperCoding kCoding>
constexpr Codec codec(const char* name, const char* summary, double bits) {
  constexpr bool kIsCoded = kCoding == HyperCoding::kEntropy;
  Codec made{.name = name,
             .summary = summary,
             .bits_per_weight = bits,
             .block = 0,
             .planes = kIsCoded ? std::span<const CodecPlane>(kCodedPlanes) : std::span<const CodecPlane>(kPlanes),
             .fit = fit,
             .round = round};
  made.use = kSetting.side_in == Side::kAbsolute ? Codec::Use::kTrained : Codec::Use::kAny;
  made.granule = 2;
  made.tail = 1;
  made.train = [](const Codec&) { return train_hyper(kSetting, kCoding); };
  made.load_tensor_side = [](const Codec&, std::span<const std::byte> bytes) -> std::shared_ptr<const TensorSide> {
    return parse_hyper_side(kSetting, kCoding, bytes);
  };
  if (kIsCoded) {
    made.pack_row = pack_row;
    made.unpack_row = put_row;
  } else {
    made.pack = pack;
    made.decode = decode;
    made.row_bytes_of = bytes_of;
  }
  return made;
}

constexpr auto kPlain = HyperCoding::kPlain, kEntropy = HyperCoding::kEntropy;

constexpr Codec kCodecs[] = {
    codec<k1600, kPlain>("hyper_1600", "pairs as one of 1600 points of a grid over 4 deviations", 6.0),
    codec<k1600Side01, kPlain>("hyper_1600_l01", "Hyper-Compression as published: 1600 points on a side of 0.1", 6.0),
    codec<k1600Side08, kPlain>("hyper_1600_l08", "Hyper-Compression as published: 1600 points on a side of 0.8", 6.0),
    codec<k1600Coded, kEntropy>("hyper_1600_rans",
                                "hyper_1600 with entropy-coded indices, as many classes as err least", 5.47),
    codec<k225, kPlain>("hyper_225", "pairs as one of 225 points of a grid over 4 deviations", 5.0),
    codec<k225Side01, kPlain>("hyper_225_l01", "Hyper-Compression as published: 225 points on a side of 0.1", 5.0),
    codec<k225, kEntropy>("hyper_225_rans", "hyper_225 with entropy-coded indices", 4.06),
    codec<k225Side01, kEntropy>("hyper_225_l01_rans", "hyper_225_l01 with entropy-coded indices", 3.76),
};

}  // namespace

constinit const std::span<const Codec> kHyper = kCodecs;

}  // namespace quern
