// Planes of fixed rows by their place, planes of measured rows by the offsets.
#include "model/packed_rows.h"

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/fail.h"

namespace quern {
namespace {

using Holds = CodecPlane::Holds;

constexpr std::size_t kRowsPlane = 0, kOffsetsPlane = 1;
constexpr std::uint64_t kOffsetBytes = sizeof(std::uint64_t);
constexpr std::uint64_t kMostTensorSideBytes = std::uint64_t{64} << 20;

std::string file_of(const Checkpoint& checkpoint, const TensorEntry& entry) {
  return (entry.parts.empty() ? checkpoint.path() : checkpoint.files().at(entry.parts[0].file).path).string();
}

std::string where(const Checkpoint& checkpoint, const TensorEntry& entry) {
  return fmt::format("{}: tensor {} ({})", file_of(checkpoint, entry), entry.name, entry.encoding);
}

void check_planes(const Checkpoint& checkpoint, const TensorEntry& entry, const Codec& codec) {
  const RowLayout layout = row_layout(entry.shape);
  ensure(entry.parts.size() == codec.planes.size(), "tensor {}: {} parts of {}", entry.name, entry.parts.size(),
         entry.encoding);
  if (!codec.divides(layout.cols))
    fail(ErrorCode::kInput, "{} has rows of {} weights, which that format cannot", where(checkpoint, entry),
         layout.cols);
  if (!codec.is_measured()) return;
  const std::uint64_t offsets = entry.parts[kOffsetsPlane].bytes;
  if (offsets / kOffsetBytes != layout.rows + 1 || offsets % kOffsetBytes != 0)
    fail(ErrorCode::kInput, "{} has {} bytes of row offsets, {} rows need {}", where(checkpoint, entry), offsets,
         layout.rows, kOffsetBytes * (layout.rows + 1));
}

// Where rows first .. first + count begin.
std::vector<std::uint64_t> read_offsets(const Checkpoint& checkpoint, const TensorEntry& entry, std::uint64_t first,
                                        std::uint64_t count) {
  std::vector<std::uint64_t> offsets(count + 1);
  checkpoint.read(entry, kOffsetsPlane, first * kOffsetBytes, std::as_writable_bytes(std::span(offsets)));
  const RowLayout layout = row_layout(entry.shape);
  const std::uint64_t bytes = entry.parts[kRowsPlane].bytes;
  for (std::uint64_t i = 0; i < count; ++i)
    if (offsets[i] > offsets[i + 1] || offsets[i + 1] > bytes ||
        offsets[i + 1] - offsets[i] > most_row_bytes(layout.cols))
      fail(ErrorCode::kInput, "{}: row {} lies from byte {} to {} of {}, which cannot be; the file is damaged",
           where(checkpoint, entry), first + i, offsets[i], offsets[i + 1], bytes);
  if (first == 0 && offsets.front() != 0)
    fail(ErrorCode::kInput, "{}: row 0 begins at byte {}; the file is damaged", where(checkpoint, entry),
         offsets.front());
  if (first + count == layout.rows && offsets.back() != bytes)
    fail(ErrorCode::kInput, "{}: the last row ends at byte {} of {}; the file is damaged", where(checkpoint, entry),
         offsets.back(), bytes);
  return offsets;
}

// REQUIRES: codec is trained.
void check_trained_rows(const Checkpoint& checkpoint, const TensorEntry& entry, const Codec& codec) {
  const RowLayout layout = row_layout(entry.shape);
  for (std::size_t p = 0; p < codec.planes.size(); ++p) {
    const std::uint64_t wanted = codec.stripes(layout.rows) * codec.plane_row_bytes(p, layout.cols);
    if (codec.planes[p].holds == Holds::kBlocks && entry.parts[p].bytes != wanted)
      fail(ErrorCode::kInput, "{} has {} bytes of {}, its {} says that there are {}; the file is damaged",
           where(checkpoint, entry), entry.parts[p].bytes, codec.planes[p].name, codec.planes.back().name, wanted);
  }
}

void read_measured(const Checkpoint& checkpoint, const TensorEntry& entry, std::uint64_t first, PackedTensor& packed) {
  const std::uint64_t count = packed.layout().rows;
  const std::vector<std::uint64_t> offsets = read_offsets(checkpoint, entry, first, count);
  std::vector<std::byte> rows(offsets.back() - offsets.front());
  checkpoint.read(entry, kRowsPlane, offsets.front(), rows);
  for (std::uint64_t i = 0; i < count; ++i)
    packed.append_row(std::span(rows).subspan(offsets[i] - offsets.front(), offsets[i + 1] - offsets[i]));
}

}  // namespace

const Codec& codec_of(const Checkpoint& checkpoint, const TensorEntry& entry) {
  const Codec* codec = find_decoder(entry.encoding);
  if (codec) return check_planes(checkpoint, entry, *codec), *codec;
  fail(ErrorCode::kInput,
       "{}: tensor {} is stored as {}, which cannot be decoded to weights: save it as float32, float16 or bfloat16",
       file_of(checkpoint, entry), entry.name, entry.encoding);
}

std::shared_ptr<const Codec> tensor_codec(const Checkpoint& checkpoint, const TensorEntry& entry) {
  const Codec& codec = codec_of(checkpoint, entry);
  if (!codec.train) return {std::shared_ptr<const Codec>(), &codec};
  const std::size_t p = codec.planes.size() - 1;
  const std::uint64_t bytes = entry.parts[p].bytes;
  if (bytes > kMostTensorSideBytes)
    fail(ErrorCode::kInput, "{}: its {} takes {} bytes, at most {} can be", where(checkpoint, entry),
         codec.planes[p].name, bytes, kMostTensorSideBytes);
  std::vector<std::byte> side(bytes);
  checkpoint.read(entry, p, 0, side);
  const std::shared_ptr<const Codec> trained = with_context("while reading " + where(checkpoint, entry), [&] {
    return trained_codec(codec, codec.load_tensor_side(codec, side));
  });
  check_trained_rows(checkpoint, entry, *trained);
  return trained;
}

PackedTensor read_packed_rows(const Checkpoint& checkpoint, const TensorEntry& entry,
                              const std::shared_ptr<const Codec>& codec, std::uint64_t first, std::uint64_t count) {
  const RowLayout layout = row_layout(entry.shape);
  ensure(first <= layout.rows && count <= layout.rows - first && first % codec->stripe == 0,
         "rows {} to {} of {} in stripes of {}", first, first + count, layout.rows, codec->stripe);
  PackedTensor packed(codec, {count, layout.cols});
  if (codec->is_measured()) {
    read_measured(checkpoint, entry, first, packed);
    return packed;
  }
  for (std::size_t p = 0; p < codec->planes.size(); ++p)
    if (codec->planes[p].holds == Holds::kBlocks)
      checkpoint.read(entry, p, first / codec->stripe * codec->plane_row_bytes(p, layout.cols), packed.plane(p));
  return packed;
}

std::uint64_t packed_row_bytes(const Checkpoint& checkpoint, const TensorEntry& entry, const Codec& codec,
                               std::uint64_t first, std::uint64_t count) {
  const std::uint64_t shared = codec.train ? entry.parts.back().bytes : 0;
  const RowLayout layout = row_layout(entry.shape);
  if (codec.row_bytes_of)
    return shared + (layout.rows ? entry.parts[0].bytes / codec.stripes(layout.rows) * codec.stripes(count) : 0);
  if (!codec.is_measured()) return shared + codec.stripes(count) * codec.row_bytes(layout.cols);
  std::uint64_t ends[2];
  for (const std::uint64_t end : {std::uint64_t{0}, count})
    checkpoint.read(entry, kOffsetsPlane, (first + end) * kOffsetBytes,
                    std::as_writable_bytes(std::span(&ends[end != 0], 1)));
  return shared + (ends[1] > ends[0] && count ? ends[1] - ends[0] : 0) + kOffsetBytes * (count + 1);
}

}  // namespace quern
