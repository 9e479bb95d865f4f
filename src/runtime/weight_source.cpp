// Reads planes of bytes and lets the codec decode them row by row.
#include "runtime/weight_source.h"

#include <algorithm>
#include <array>
#include <vector>

#include "quern/codec.h"
#include "quern/error.h"

namespace quern {
namespace {

// Encoded bytes read at once: enough to make the system call cheap.
constexpr std::uint64_t kReadBytes = std::uint64_t{1} << 18;

const Codec& codec_of(const Checkpoint& checkpoint, const TensorEntry& entry) {
  if (const Codec* codec = find_codec(entry.encoding)) return *codec;
  std::string known;
  for (const Codec* codec : codecs()) known += (known.empty() ? "" : ", ") + std::string(codec->name);
  fail(ErrorCode::kInput, "{}: tensor {} is stored as {}, which cannot be decoded to weights; known encodings: {}",
       checkpoint.path().string(), entry.name, entry.encoding, known);
}

void decode_packed(const PackedTensor& packed, std::size_t first, MutableMatrixView out) {
  for (std::size_t i = 0; i < out.rows; ++i) decode_row(packed.codec(), packed.row(first + i), out.row(i));
}

void decode_stored(const Checkpoint& checkpoint, const TensorEntry& entry, std::size_t first, MutableMatrixView out) {
  const Codec& codec = codec_of(checkpoint, entry);
  const std::size_t planes = codec.planes.size();
  ensure(entry.parts.size() == planes && codec.divides(out.cols), "tensor {}: {} parts, {} columns of {}", entry.name,
         entry.parts.size(), out.cols, entry.encoding);
  const std::size_t step =
      std::max<std::uint64_t>(1, kReadBytes / std::max<std::uint64_t>(1, codec.row_bytes(out.cols)));
  std::array<std::vector<std::byte>, kMaxPlanes> bytes;
  for (std::size_t begin = 0; begin < out.rows; begin += step) {
    const std::size_t rows = std::min(step, out.rows - begin);
    for (std::size_t p = 0; p < planes; ++p) {
      const std::uint64_t row_bytes = codec.plane_row_bytes(p, out.cols);
      bytes[p].resize(rows * row_bytes);
      checkpoint.read(entry, p, (first + begin) * row_bytes, bytes[p]);
    }
    for (std::size_t i = 0; i < rows; ++i) {
      ConstPlanePointers at{};
      for (std::size_t p = 0; p < planes; ++p) at[p] = bytes[p].data() + i * codec.plane_row_bytes(p, out.cols);
      decode_row(codec, at, out.row(begin + i));
    }
  }
}

}  // namespace

void WeightSource::replace(const std::string& tensor, PackedTensor packed) {
  const RowLayout stored = row_layout(checkpoint_->at(tensor).shape), given = packed.layout();
  ensure(stored.rows == given.rows && stored.cols == given.cols, "tensor {} [{}, {}] replaced by [{}, {}]", tensor,
         stored.rows, stored.cols, given.rows, given.cols);
  replaced_[tensor] = std::move(packed);
}

void WeightSource::restore(const std::string& tensor) { replaced_.erase(tensor); }

RowLayout WeightSource::layout(const std::string& tensor) const { return row_layout(checkpoint_->at(tensor).shape); }

void WeightSource::read_rows(const std::string& tensor, std::size_t first, MutableMatrixView out) const {
  const TensorEntry& entry = checkpoint_->at(tensor);
  const RowLayout stored = row_layout(entry.shape);
  ensure(out.cols == stored.cols && first <= stored.rows && out.rows <= stored.rows - first,
         "tensor {} [{}, {}]: rows {} to {} of {} columns were asked for", tensor, stored.rows, stored.cols, first,
         first + out.rows, out.cols);
  const auto found = replaced_.find(tensor);
  if (found != replaced_.end()) {
    decode_packed(found->second, first, out);
  } else {
    decode_stored(*checkpoint_, entry, first, out);
  }
}

Matrix WeightSource::read(const std::string& tensor) const {
  const RowLayout stored = layout(tensor);
  Matrix out(stored.rows, stored.cols);
  read_rows(tensor, 0, out.view());
  return out;
}

}  // namespace quern
