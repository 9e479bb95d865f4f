// The table of number formats, and whole rows of any of them.
#include <algorithm>
#include <vector>

#include "codec/codec_table.h"

namespace quern {
namespace {

// Highest bits per weight first.
const Codec* const kCodecs[] = {&kF32,     &kF16,      &kBf16,     &kQ8_0,     &kInt8Channel, &kQ6K,     &kQ5_1,
                                &kQ5_0,    &kQ5K,      &kQ4_1,     &kInt4aG32, &kIq4Nl,       &kQ4_0,    &kQ4K,
                                &kInt4G32, &kNf4,      &kInt4aG64, &kMxfp4,    &kIq4Xs,       &kInt4G64, &kInt4aG128,
                                &kNf4Dq,   &kInt4G128, &kQ3K,      &kQ2K,      &kTq2_0,       &kTq1_0};

template <typename Pointer>
void advance(const Codec& codec, std::size_t weights, std::array<Pointer, kMaxPlanes>& planes) {
  for (std::size_t p = 0; p < codec.planes.size(); ++p) {
    planes[p] += codec.planes[p].bytes_per_block + weights * codec.planes[p].bytes_per_weight;
  }
}

PlanePointers row_planes(const Codec& codec, std::size_t cols, PlanePointers planes, std::size_t row) {
  for (std::size_t p = 0; p < codec.planes.size(); ++p) planes[p] += row * codec.plane_row_bytes(p, cols);
  return planes;
}

std::span<const float> columns_of(std::span<const float> importance, std::size_t first, std::size_t count) {
  return importance.empty() ? importance : importance.subspan(first, count);
}

// Side information of all blocks, run by run in a form that can be stored.
std::vector<std::byte> fit_blocks(const Codec& codec, MatrixView rows, std::span<const float> importance,
                                  std::size_t block) {
  std::vector<std::byte> sides(rows.rows * (rows.cols / block) * codec.side_bytes);
  std::byte* side = sides.data();
  for (std::size_t i = 0; i < rows.rows; ++i)
    for (std::size_t first = 0; first < rows.cols; first += block, side += codec.side_bytes)
      codec.fit(rows.row(i).subspan(first, block), columns_of(importance, first, block), side);
  const std::size_t run = std::size_t{codec.settled_blocks} * codec.side_bytes;
  for (std::size_t at = 0; codec.settle && at < sides.size(); at += run)
    codec.settle(std::span(sides).subspan(at, std::min(run, sides.size() - at)));
  return sides;
}

// Rows whose runs of blocks concern no others.
void encode_together(const Codec& codec, MatrixView rows, std::span<const float> importance, PlanePointers first_row) {
  if (rows.cols == 0) return;
  const std::size_t block = codec.block == 0 ? rows.cols : codec.block;
  const std::vector<std::byte> sides = fit_blocks(codec, rows, importance, block);
  const std::byte* side = sides.data();
  std::vector<std::int32_t> codes(block);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    PlanePointers planes = row_planes(codec, rows.cols, first_row, i);
    for (std::size_t first = 0; first < rows.cols; first += block, side += codec.side_bytes) {
      codec.round(side, 0, rows.row(i).subspan(first, block), codes, {});
      codec.pack(side, codes, planes);
      advance(codec, block, planes);
    }
  }
}

}  // namespace

std::span<const Codec* const> codecs() { return kCodecs; }

const Codec* find_codec(std::string_view name) {
  for (const Codec* codec : kCodecs) {
    if (codec->name == name) return codec;
  }
  return nullptr;
}

void decode_row(const Codec& codec, ConstPlanePointers planes, std::span<float> out) {
  const std::size_t block = codec.block == 0 ? out.size() : codec.block;
  for (std::size_t first = 0; first < out.size(); first += block) {
    codec.decode(planes, out.subspan(first, block));
    advance(codec, block, planes);
  }
}

void encode_row(const Codec& codec, std::span<const float> weights, std::span<const float> importance,
                PlanePointers planes) {
  encode_rows(codec, {weights.data(), 1, weights.size(), weights.size()}, importance, planes);
}

void encode_rows(const Codec& codec, MatrixView rows, std::span<const float> importance, PlanePointers planes) {
  if (codec.encode) return codec.encode(codec, rows, importance, planes);
  const std::size_t together = codec.settle ? codec.rows_together(rows.cols) : 1;
  for (std::size_t i = 0; i < rows.rows; i += together) {
    const MatrixView part = {rows.row(i).data(), std::min(together, rows.rows - i), rows.cols, rows.stride};
    encode_together(codec, part, importance, row_planes(codec, rows.cols, planes, i));
  }
}

}  // namespace quern
