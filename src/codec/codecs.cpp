// The table of number formats, and whole rows of any of them.
#include <algorithm>
#include <functional>
#include <vector>

#include "base/bytes.h"
#include "base/fail.h"
#include "codec/codec_table.h"
#include "codec/stripes.h"

namespace quern {
namespace {

// Of equal bits per weight the first comes first.
const Codec* const kBeforeInt4[] = {
    &kF32,  &kLosslessF32, &kF16,  &kBf16,  &kLosslessF16, &kLosslessBf16, &kQ8_0,  &kInt8Channel, &kQ6K,  &kQ5_1,
    &kQ5_0, &kQ5K,         &kQ4_1, &kIq4Nl, &kQ4_0,        &kQ4K,          &kNvfp4, &kMxfp4,       &kIq4Xs};
const Codec* const kAfterInt4[] = {&kNf4,  &kNf4Dq,       &kQ3K,   &kIq3S,    &kIq3Xxs,   &kQ2K,
                                   &kIq2S, &kIq2Xs,       &kTq2_0, &kIq2Xxs,  &kIq1M,     &kTq1_0,
                                   &kIq1S, &kTernary2Bit, &kI2S,   &kI2SRows, &kTernaryB3};

const Codec* const kSeeds[] = {&kSeedlm4, &kSeedlm4Paper, &kSeedlm4w, &kSeedlm3, &kSeedlm3w};

const Codec* const kReadOnly[] = {&kF64, &kQ2_0, &kQ1_0};

const Codec* find_named(std::span<const Codec* const> among, std::string_view name) {
  const auto at = std::ranges::find_if(among, [&](const Codec* codec) { return codec->name == name; });
  return at == among.end() ? nullptr : *at;
}

template <typename Pointer>
void advance(const Codec& codec, std::size_t weights, std::array<Pointer, kMaxPlanes>& planes) {
  for (std::size_t p = 0; p < codec.planes.size(); ++p) planes[p] += codec.planes[p].block_bytes(weights);
}

std::uint64_t offset_at(const std::byte* offsets, std::size_t row) {
  return load<std::uint64_t>(offsets + row * sizeof(std::uint64_t));
}

template <typename Pointer>
std::array<Pointer, kMaxPlanes> planes_of_row(const Codec& codec, std::uint64_t cols,
                                              std::array<Pointer, kMaxPlanes> planes, std::size_t row) {
  if (codec.is_measured()) planes[0] += offset_at(planes[1], row) - offset_at(planes[1], 0);
  for (std::size_t p = 0; p < codec.planes.size(); ++p) planes[p] += row * codec.plane_row_bytes(p, cols);
  return planes;
}

std::span<const float> columns_of(std::span<const float> importance, std::size_t first, std::size_t count) {
  return importance.empty() ? importance : importance.subspan(first, count);
}

// Rows whose runs of blocks concern no others.
void encode_together(const Codec& codec, MatrixView rows, std::span<const float> importance, PlanePointers first_row) {
  if (rows.cols == 0) return;
  const std::size_t block = codec.block == 0 ? rows.cols : codec.block;
  const std::vector<std::byte> sides = fit_blocks(codec, rows, importance);
  const std::byte* side = sides.data();
  std::vector<std::int32_t> codes(block);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    PlanePointers planes = row_planes(codec, rows.cols / codec.stripe, first_row, i);
    for (std::size_t first = 0; first < rows.cols; first += block, side += codec.side_bytes) {
      codec.round(codec, side, 0, rows.row(i).subspan(first, block), columns_of(importance, first, block), codes, {});
      codec.pack(codec, side, codes, planes);
      advance(codec, block, planes);
    }
  }
}

// Rows that are one block each and are rounded side by side.
void encode_beside(const Codec& codec, MatrixView rows, std::span<const float> importance, PlanePointers first_row) {
  if (rows.cols == 0) return;
  const std::vector<std::byte> sides = fit_blocks(codec, rows, importance);
  std::vector<std::int32_t> codes(rows.rows * rows.cols);
  round_rows(codec, sides, 0, rows, importance, codes, {});
  for (std::size_t i = 0; i < rows.rows; ++i)
    codec.pack(codec, sides.data() + i * codec.side_bytes, std::span(codes).subspan(i * rows.cols, rows.cols),
               row_planes(codec, rows.cols / codec.stripe, first_row, i));
}

// Of rows, or of stripes in their place.
void encode_planes(const Codec& codec, MatrixView rows, std::span<const float> importance, PlanePointers planes) {
  if (codec.encode) return codec.encode(codec, rows, importance, planes);
  if (codec.round_rows) return encode_beside(codec, rows, importance, planes);
  const std::uint64_t cols = rows.cols / codec.stripe;
  const std::size_t together = codec.settle ? codec.rows_together(cols) : 1;
  for (std::size_t i = 0; i < rows.rows; i += together) {
    const MatrixView part = {rows.row(i).data(), std::min(together, rows.rows - i), rows.cols, rows.stride};
    encode_together(codec, part, importance, row_planes(codec, cols, planes, i));
  }
}

std::vector<const Codec*> in_order(const std::vector<const Codec*>& listed) {
  std::vector<const Codec*> all;
  for (const Codec* codec : listed)
    all.insert(std::ranges::upper_bound(all, codec->bits_per_weight, std::greater(), &Codec::bits_per_weight), codec);
  return all;
}

}  // namespace

std::vector<const Codec*> built_in_codecs() {
  std::vector<const Codec*> all(std::begin(kBeforeInt4), std::end(kBeforeInt4));
  for (const Codec& codec : kInt4) all.push_back(&codec);
  all.insert(all.end(), std::begin(kAfterInt4), std::end(kAfterInt4));
  for (const Codec& codec : kHyper) all.push_back(&codec);
  all.insert(all.end(), std::begin(kSeeds), std::end(kSeeds));
  for (const Codec& codec : kVptq) all.push_back(&codec);
  return all;
}

std::span<const Codec* const> codecs() {
  static const std::vector<const Codec*> all = in_order(list_codecs());
  return all;
}

const Codec* find_codec(std::string_view name) { return find_named(codecs(), name); }

std::span<const Codec* const> read_only_codecs() { return kReadOnly; }

const Codec* find_decoder(std::string_view name) {
  const Codec* written = find_codec(name);
  return written ? written : find_named(kReadOnly, name);
}

const Codec& plain_codec(const Codec& codec) {
  if (!codec.plain) return codec;
  const Codec* plain = find_codec(codec.plain);
  ensure(plain != nullptr, "no codec {}, whose values {} has", codec.plain, codec.name);
  return *plain;
}

std::string_view plain_encoding(std::string_view encoding) {
  const Codec* codec = find_codec(encoding);
  return codec && codec->plain ? codec->plain : encoding;
}

std::shared_ptr<const Codec> trained_codec(const Codec& codec, std::shared_ptr<const TensorSide> side) {
  struct Trained {
    std::shared_ptr<const TensorSide> side;
    Codec codec;
  };
  const auto trained = std::make_shared<Trained>(Trained{std::move(side), codec});
  trained->codec.tensor_side = trained->side.get();
  return {trained, &trained->codec};
}

void observe_rows(const Codec& codec, MatrixView rows, std::span<const float> importance, TensorTraining& training) {
  if (codec.stripe == 1) return training.observe(rows, importance);
  training.observe(stripes_of(rows, codec.stripe).view(), repeated(importance, codec.stripe));
}

std::shared_ptr<const Codec> trained_on(const Codec& codec, MatrixView rows, std::span<const float> importance) {
  if (!codec.train) return {std::shared_ptr<const Codec>(), &codec};
  std::unique_ptr<TensorTraining> training = codec.train(codec);
  observe_rows(codec, rows, importance, *training);
  while (std::unique_ptr<TensorTraining> next = training->next_pass()) {
    training = std::move(next);
    observe_rows(codec, rows, importance, *training);
  }
  return trained_codec(codec, training->finish());
}

PlanePointers row_planes(const Codec& codec, std::uint64_t cols, PlanePointers planes, std::size_t row) {
  return planes_of_row(codec, cols, planes, row);
}

ConstPlanePointers row_planes(const Codec& codec, std::uint64_t cols, ConstPlanePointers planes, std::size_t row) {
  return planes_of_row(codec, cols, planes, row);
}

std::span<const std::byte> measured_row(ConstPlanePointers planes) {
  return {planes[0], offset_at(planes[1], 1) - offset_at(planes[1], 0)};
}

std::vector<std::byte> fit_blocks(const Codec& codec, MatrixView rows, std::span<const float> importance) {
  const std::size_t block = codec.block == 0 ? rows.cols : codec.block;
  std::vector<std::byte> sides(rows.rows * codec.blocks_of(rows.cols) * codec.side_bytes);
  std::byte* side = sides.data();
  for (std::size_t i = 0; i < rows.rows; ++i)
    for (std::size_t first = 0; first < rows.cols; first += block, side += codec.side_bytes)
      codec.fit(codec, rows.row(i).subspan(first, block), columns_of(importance, first, block), side);
  const std::size_t run = std::size_t{codec.settled_blocks} * codec.side_bytes;
  for (std::size_t at = 0; codec.settle && at < sides.size(); at += run)
    codec.settle(codec, std::span(sides).subspan(at, std::min(run, sides.size() - at)));
  return sides;
}

void round_rows(const Codec& codec, std::span<const std::byte> sides, std::uint32_t first, MatrixView weights,
                std::span<const float> importance, std::span<std::int32_t> codes, std::span<float> values) {
  if (codec.round_rows) return codec.round_rows(codec, sides, first, weights, importance, codes, values);
  for (std::size_t i = 0; i < weights.rows; ++i) {
    const std::size_t at = i * weights.cols;
    codec.round(codec, sides.data() + i * codec.side_bytes, first, weights.row(i), importance,
                codes.subspan(at, weights.cols), values.empty() ? values : values.subspan(at, weights.cols));
  }
}

void decode_row(const Codec& codec, ConstPlanePointers planes, std::span<float> out) {
  if (codec.is_measured()) return codec.unpack_row(codec, measured_row(planes), out);
  const std::size_t block = codec.block == 0 ? out.size() : codec.block;
  for (std::size_t first = 0; first < out.size(); first += block) {
    codec.decode(codec, planes, out.subspan(first, block));
    advance(codec, block, planes);
  }
}

void decode_rows(const Codec& codec, ConstPlanePointers planes, std::size_t first, MutableMatrixView out) {
  if (codec.stripe == 1) {
    for (std::size_t i = 0; i < out.rows; ++i)
      decode_row(codec, row_planes(codec, out.cols, planes, first + i), out.row(i));
    return;
  }
  std::vector<float> values(out.cols * codec.stripe);
  for (std::size_t row = first, end = first + out.rows; row < end; row = (row / codec.stripe + 1) * codec.stripe) {
    decode_row(codec, row_planes(codec, out.cols, planes, row / codec.stripe), values);
    const std::size_t skipped = row % codec.stripe, count = std::min(codec.stripe - skipped, end - row);
    put_stripe_rows(values, codec.stripe, skipped,
                    {out.data + (row - first) * out.stride, count, out.cols, out.stride});
  }
}

void encode_row(const Codec& codec, std::span<const float> weights, std::span<const float> importance,
                PlanePointers planes) {
  encode_rows(codec, {weights.data(), 1, weights.size(), weights.size()}, importance, planes);
}

void encode_rows(const Codec& codec, MatrixView rows, std::span<const float> importance, PlanePointers planes) {
  ensure(codec.fit != nullptr, "{} is only read", codec.name);
  ensure(!codec.is_measured(), "rows of {} have no places of their own", codec.name);
  if (codec.stripe == 1) return encode_planes(codec, rows, importance, planes);
  encode_planes(codec, stripes_of(rows, codec.stripe).view(), repeated(importance, codec.stripe), planes);
}

}  // namespace quern
