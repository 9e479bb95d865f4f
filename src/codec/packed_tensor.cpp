// Planes of a whole tensor, row after row.
#include "codec/packed_tensor.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/fail.h"

namespace quern {
namespace {

constexpr std::uint64_t kMostReserved = std::uint64_t{1} << 26;

}  // namespace

PackedTensor::PackedTensor(const Codec& codec, RowLayout layout)
    : PackedTensor(std::shared_ptr<const Codec>(std::shared_ptr<const Codec>(), &codec), layout) {}

PackedTensor::PackedTensor(std::shared_ptr<const Codec> codec, RowLayout layout)
    : codec_(std::move(codec)), layout_(layout) {
  ensure(codec_->divides(layout.cols), "rows of {} weights do not fit the blocks of {} of {}", layout.cols,
         codec_->block ? codec_->block : codec_->granule, codec_->name);
  ensure(!codec_->train || codec_->tensor_side, "{} was not trained", codec_->name);
  for (std::size_t p = 0; p < codec_->planes.size(); ++p) {
    const bool has_end = codec_->planes[p].holds == CodecPlane::Holds::kOffsets;  // one offset more than rows
    const auto size = checked_mul(codec_->stripes(layout.rows) + has_end, codec_->plane_row_bytes(p, layout.cols));
    ensure(size.has_value(), "{} rows of {} weights are too many bytes", layout.rows, layout.cols);
    planes_[p].resize(*size);
  }
  if (codec_->is_measured())  // a hint: what a file claims is not taken at its word
    planes_[0].reserve(std::min(codec_->stored_bytes(layout.rows, layout.cols), kMostReserved));
  if (!codec_->tensor_side) return;
  const std::vector<std::byte> side = codec_->tensor_side->serialise();
  planes_[codec_->planes.size() - 1].assign(side.begin(), side.end());
}

std::uint64_t PackedTensor::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& plane : planes_) sum += plane.size();
  return sum;
}

PlanePointers PackedTensor::row(std::size_t i) {
  PlanePointers first{};
  for (std::size_t p = 0; p < codec_->planes.size(); ++p) first[p] = planes_[p].data();
  return row_planes(*codec_, layout_.cols, first, i);
}

ConstPlanePointers PackedTensor::row(std::size_t i) const {
  ConstPlanePointers first{};
  for (std::size_t p = 0; p < codec_->planes.size(); ++p) first[p] = planes_[p].data();
  return row_planes(*codec_, layout_.cols, first, i);
}

void PackedTensor::append_row(std::span<const std::byte> row) {
  ensure(codec_->is_measured() && measured_rows_ < layout_.rows, "row {} of {} rows of {} appended", measured_rows_,
         layout_.rows, codec_->name);
  planes_[0].insert(planes_[0].end(), row.begin(), row.end());
  store(planes_[1].data() + ++measured_rows_ * sizeof(std::uint64_t), std::uint64_t{planes_[0].size()});
}

void PackedTensor::append_row(std::span<const std::byte> sides, std::span<const std::int32_t> codes) {
  std::vector<std::byte> bytes;
  bytes.reserve(codec_->row_bytes(codes.size()) * 9 / 8);
  codec_->pack_row(*codec_, sides, codes, bytes);
  append_row(bytes);
}

void PackedTensor::put_rows(std::size_t first, const PackedTensor& rows) {
  if (codec_->is_measured()) {
    ensure(first == measured_rows_, "row {} of {} put behind row {}", first, codec_->name, measured_rows_);
    for (std::size_t i = 0; i < rows.layout().rows; ++i) append_row(measured_row(rows.row(i)));
    return;
  }
  for (std::size_t p = 0; p < codec_->planes.size(); ++p)
    if (const std::uint64_t row_bytes = codec_->plane_row_bytes(p, layout_.cols); row_bytes > 0)
      std::ranges::copy(rows.plane(p),
                        planes_[p].begin() + static_cast<std::ptrdiff_t>(first / codec_->stripe * row_bytes));
}

void encode_rows(MatrixView rows, std::span<const float> importance, PackedTensor& out) {
  const Codec& codec = out.codec();
  if (!codec.is_measured()) return encode_rows(codec, rows, importance, out.row(0));
  const std::size_t block = codec.block == 0 ? rows.cols : codec.block;
  const std::vector<std::byte> sides = fit_blocks(codec, rows, importance);
  const std::size_t of_row = codec.blocks_of(rows.cols) * codec.side_bytes;
  if (codec.round_rows) {
    std::vector<std::int32_t> codes(rows.rows * rows.cols);
    round_rows(codec, sides, 0, rows, importance, codes, {});
    for (std::size_t i = 0; i < rows.rows; ++i)
      out.append_row(std::span(sides).subspan(i * of_row, of_row), std::span(codes).subspan(i * rows.cols, rows.cols));
    return;
  }
  std::vector<std::int32_t> codes(rows.cols);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const auto row_sides = std::span(sides).subspan(i * of_row, of_row);
    for (std::size_t first = 0; first < rows.cols; first += block)
      codec.round(codec, row_sides.data() + first / block * codec.side_bytes, 0, rows.row(i).subspan(first, block),
                  importance.empty() ? importance : importance.subspan(first, block),
                  std::span(codes).subspan(first, block), {});
    out.append_row(row_sides, codes);
  }
}

PackedTensor encode_tensor(const Codec& codec, MatrixView rows, std::span<const float> importance) {
  PackedTensor packed(trained_on(codec, rows, importance), {rows.rows, rows.cols});
  encode_rows(rows, importance, packed);
  return packed;
}

}  // namespace quern
