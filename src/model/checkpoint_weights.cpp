// Reads planes of bytes and lets the codec decode them row by row.
#include "model/checkpoint_weights.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/fail.h"
#include "checkpoint/described_files.h"
#include "model/packed_rows.h"

namespace quern {
namespace {

// Encoded bytes read at once: enough to make the system call cheap.
constexpr std::uint64_t kReadBytes = std::uint64_t{1} << 18;

constexpr std::size_t kRowsTransposed = 64;

// Rows that take about kReadBytes, in whole stripes.
std::size_t rows_at_once(const Codec& codec, std::uint64_t cols) {
  return std::max<std::uint64_t>(1, kReadBytes / std::max<std::uint64_t>(1, codec.row_bytes(cols))) * codec.stripe;
}

void decode_whole_rows(const Checkpoint& checkpoint, const TensorEntry& entry, const Codec& codec, std::size_t first,
                       MutableMatrixView out) {
  const std::size_t planes = codec.planes.size(), step = rows_at_once(codec, out.cols);
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

MutableMatrixView rows_of(MutableMatrixView view, std::size_t first, std::size_t count) {
  return {view.data + first * view.stride, count, view.cols, view.stride};
}

// Of a codec that is measured or trained, or has stripes.
void decode_packed_rows(const Checkpoint& checkpoint, const TensorEntry& entry, std::size_t first,
                        MutableMatrixView out) {
  const std::shared_ptr<const Codec> codec = tensor_codec(checkpoint, entry);
  const std::size_t step = rows_at_once(*codec, out.cols), skipped = first % codec->stripe;
  for (std::size_t begin = 0; begin < out.rows + skipped; begin += step) {
    const std::size_t count = std::min(step, out.rows + skipped - begin), from = begin == 0 ? skipped : 0;
    const PackedTensor packed = read_packed_rows(checkpoint, entry, codec, first - skipped + begin, count);
    with_context(fmt::format("while reading {}, tensor {}", checkpoint.path().string(), entry.name),
                 [&] { decode_rows(*codec, packed.row(0), from, rows_of(out, begin + from - skipped, count - from)); });
  }
}

void decode_stored(const Checkpoint& checkpoint, const TensorEntry& entry, std::size_t first, MutableMatrixView out) {
  const Codec& codec = codec_of(checkpoint, entry);
  if (codec.is_measured() || codec.train || codec.stripe > 1) return decode_packed_rows(checkpoint, entry, first, out);
  decode_whole_rows(checkpoint, entry, codec, first, out);
}

// Columns of the stored tensor become rows: a few stored rows at a time.
void read_transposed(const CheckpointWeights& source, const Weight& weight, std::size_t first, MutableMatrixView out) {
  const RowLayout stored = source.layout(weight.tensor);
  Matrix some(std::min<std::uint64_t>(kRowsTransposed, stored.rows), stored.cols);
  for (std::size_t begin = 0; begin < stored.rows; begin += some.rows()) {
    const std::size_t count = std::min<std::size_t>(some.rows(), stored.rows - begin);
    source.read_rows(weight.tensor, begin, rows_of(some.view(), 0, count));
    for (std::size_t i = 0; i < out.rows; ++i)
      for (std::size_t k = 0; k < count; ++k) out.row(i)[begin + k] = some.row(k)[first + i];
  }
}

void read_parts(const CheckpointWeights& source, const Weight& weight, std::size_t first, MutableMatrixView out) {
  std::size_t begin = 0;  // of the part, among the weight's rows
  for (const WeightPart& part : weight.parts) {
    const std::size_t from = std::max(first, begin), to = std::min(first + out.rows, begin + part.rows);
    if (from < to) source.read_rows(part.tensor, part.first + from - begin, rows_of(out, from - first, to - from));
    begin += part.rows;
  }
}

// Of a weight that is not transposed.
std::vector<WeightPart> parts_of(const Weight& weight) {
  if (!weight.parts.empty()) return weight.parts;
  return {{weight.tensor, 0, weight.layout().rows}};
}

// Whether rows of neighbouring parts can be rows of one packed tensor.
bool joins(const PackedRun& run, const Codec& codec) {
  return run.codec == &codec && !codec.train && codec.stripe == 1;
}

// Whether a part of a stored tensor begins with a stripe, and ends with one or with the tensor.
bool has_whole_stripes(const WeightPart& part, const Codec& codec, std::uint64_t rows) {
  const std::uint64_t end = part.first + part.rows;
  return part.first % codec.stripe == 0 && (end % codec.stripe == 0 || end == rows);
}

}  // namespace

std::string CheckpointWeights::name() const {
  return described_files(checkpoint_->path(), checkpoint_->files(), SourceFile::Role::kWeights);
}

void CheckpointWeights::read_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const {
  check_rows(weight, first, out);
  if (weight.storage == Weight::Storage::kTransposed) {
    read_transposed(*this, weight, first, out);
  } else if (weight.parts.empty()) {
    decode_stored(*checkpoint_, checkpoint_->at(weight.tensor), first, out);
  } else {
    read_parts(*this, weight, first, out);
  }
}

StoredForm CheckpointWeights::stored(const Weight& weight) const {
  if (weight.parts.empty()) {
    const TensorEntry& entry = checkpoint_->at(weight.tensor);
    return {entry.shape, std::string(plain_encoding(entry.encoding)), entry.bytes()};
  }
  StoredForm form{{}, std::string(plain_encoding(checkpoint_->at(weight.parts.front().tensor).encoding)), 0};
  for (const Axis& axis : weight.axes) form.shape.push_back(axis.extent);
  for (const WeightPart& part : weight.parts) {
    const TensorEntry& entry = checkpoint_->at(part.tensor);
    const std::uint64_t rows = row_layout(entry.shape).rows;
    form.bytes += part.rows == rows ? entry.bytes() : entry.bytes() / rows * part.rows;
  }
  return form;
}

void CheckpointWeights::read_stored_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const {
  if (weight.parts.empty()) return read_rows(weight.tensor, first, out);
  read_rows(weight, first, out);
}

std::vector<PackedRun> CheckpointWeights::packed_runs(const Weight& weight) const {
  std::vector<PackedRun> runs;
  if (weight.storage == Weight::Storage::kTransposed) return runs;
  for (const WeightPart& part : parts_of(weight)) {
    const TensorEntry& entry = checkpoint_->at(part.tensor);
    const Codec& codec = codec_of(*checkpoint_, entry);
    if (codec.plain || !has_whole_stripes(part, codec, row_layout(entry.shape).rows)) return {};
    if (runs.empty() || !joins(runs.back(), codec)) runs.push_back({&codec, 0, 0});
    runs.back().rows += part.rows;
    runs.back().bytes += packed_row_bytes(*checkpoint_, entry, codec, part.first, part.rows);
  }
  return runs;
}

std::vector<PackedTensor> CheckpointWeights::read_packed(const Weight& weight) const {
  const std::vector<WeightPart> parts = parts_of(weight);
  std::vector<PackedTensor> pieces;
  auto part = parts.begin();
  for (const PackedRun& run : packed_runs(weight)) {
    for (std::size_t to = 0; to < run.rows; to += (part++)->rows) {
      const TensorEntry& entry = checkpoint_->at(part->tensor);
      const std::shared_ptr<const Codec> codec = tensor_codec(*checkpoint_, entry);
      if (to == 0 && part->rows == run.rows) {
        pieces.push_back(read_packed_rows(*checkpoint_, entry, codec, part->first, part->rows));
        continue;
      }
      if (to == 0) pieces.emplace_back(codec, RowLayout{run.rows, weight.layout().cols});
      pieces.back().put_rows(to, read_packed_rows(*checkpoint_, entry, codec, part->first, part->rows));
    }
  }
  return pieces;
}

RowLayout CheckpointWeights::layout(const std::string& tensor) const {
  return row_layout(checkpoint_->at(tensor).shape);
}

void CheckpointWeights::read_rows(const std::string& tensor, std::size_t first, MutableMatrixView out) const {
  const TensorEntry& entry = checkpoint_->at(tensor);
  const RowLayout stored = row_layout(entry.shape);
  ensure(out.cols == stored.cols && first <= stored.rows && out.rows <= stored.rows - first,
         "tensor {} [{}, {}]: rows {} to {} of {} columns were asked for", tensor, stored.rows, stored.cols, first,
         first + out.rows, out.cols);
  decode_stored(*checkpoint_, entry, first, out);
}

Matrix CheckpointWeights::read(const std::string& tensor) const {
  const RowLayout stored = layout(tensor);
  Matrix out(stored.rows, stored.cols);
  read_rows(tensor, 0, out.view());
  return out;
}

}  // namespace quern
