// Loading packed rows, and cutting a product into tasks.
#include "runtime/packed_linear.h"

#include <algorithm>
#include <optional>

#include "kernel/packed_product.h"
#include "quern/error.h"

namespace quern {
namespace {

// Of a thread's run of rows at once: what the last thread may keep the others waiting for.
constexpr std::uint64_t kBytesAtOnce = 1 << 16;
constexpr std::size_t kRowStep = 4;  // the kernels take a few rows at a time

const Codec& codec_of(const WeightSource& weights, const std::string& tensor) {
  if (const PackedTensor* replacement = weights.replacement(tensor)) return replacement->codec();
  const std::string& encoding = weights.checkpoint().at(tensor).encoding;
  const Codec* codec = find_codec(encoding);
  if (!codec)
    fail(ErrorCode::kInput, "{}: tensor {} is stored as {}, which cannot be decoded to weights",
         weights.checkpoint().path().string(), tensor, encoding);
  return *codec;
}

// Neighbouring parts of one codec.
struct Run {
  const Codec* codec = nullptr;
  std::uint64_t rows = 0;
  std::vector<WeightPart> parts;
};

std::vector<Run> runs_of(const WeightSource& weights, const Weight& weight) {
  std::vector<WeightPart> parts = weight.parts;
  if (parts.empty() || weights.replacement(weight.tensor)) parts = {{weight.tensor, 0, weight.layout().rows}};
  std::vector<Run> runs;
  for (const WeightPart& part : parts) {
    const Codec& codec = codec_of(weights, part.tensor);
    if (runs.empty() || runs.back().codec != &codec) runs.push_back({&codec, 0, {}});
    runs.back().rows += part.rows;
    runs.back().parts.push_back(part);
  }
  return runs;
}

// The part's rows of all planes go to rows `to` of the packed tensor.
void load_rows(const WeightSource& weights, const WeightPart& part, std::size_t to, PackedTensor& packed) {
  const PackedTensor* replacement = weights.replacement(part.tensor);
  const Codec& codec = packed.codec();
  for (std::size_t p = 0; p < codec.planes.size(); ++p) {
    const std::uint64_t row_bytes = codec.plane_row_bytes(p, packed.layout().cols);
    const std::span<std::byte> rows = packed.plane(p).subspan(to * row_bytes, part.rows * row_bytes);
    if (replacement)
      std::ranges::copy(replacement->plane(p).subspan(part.first * row_bytes, rows.size()), rows.begin());
    else
      weights.checkpoint().read(weights.checkpoint().at(part.tensor), p, part.first * row_bytes, rows);
  }
}

// Whether the rows must be gathered from the stored tensor's columns; a replacement has them as rows.
bool is_decoded(const WeightSource& weights, const Weight& weight) {
  return weight.storage == Weight::Storage::kTransposed && !weights.replacement(weight.tensor);
}

// What transposed rows are kept in.
const Codec& float_codec(const WeightSource& weights, const Weight& weight) {
  const Codec& codec = codec_of(weights, weight.tensor);
  const bool is_float = codec.side_bytes == 0;  // no scales: each value alone
  return is_float ? codec : *find_codec(kFloat32);
}

PackedTensor packed_floats(const WalkContext& context, const Weight& weight) {
  const Matrix whole = context.weights.read(weight);
  const Codec& codec = float_codec(context.weights, weight);
  PackedTensor packed(codec, weight.layout());
  parallel_for(context.pool, whole.rows(), 64, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) encode_row(codec, whole.row(i), {}, packed.row(i));
  });
  return packed;
}

}  // namespace

std::vector<PackedTensor> load_packed(const WalkContext& context, const Weight& weight) {
  std::vector<PackedTensor> pieces;
  if (is_decoded(context.weights, weight)) {
    pieces.push_back(packed_floats(context, weight));
    return pieces;
  }
  for (const Run& run : runs_of(context.weights, weight)) {
    PackedTensor& packed = pieces.emplace_back(*run.codec, RowLayout{run.rows, weight.layout().cols});
    std::size_t to = 0;
    for (const WeightPart& part : run.parts) {
      load_rows(context.weights, part, to, packed);
      to += part.rows;
    }
  }
  return pieces;
}

std::uint64_t packed_bytes(const WeightSource& weights, const Weight& weight) {
  const RowLayout layout = weight.layout();
  if (is_decoded(weights, weight)) return layout.rows * float_codec(weights, weight).row_bytes(layout.cols);
  std::uint64_t bytes = 0;
  for (const Run& run : runs_of(weights, weight)) bytes += run.rows * run.codec->row_bytes(layout.cols);
  return bytes;
}

std::uint64_t PackedLinear::bytes() const {
  std::uint64_t bytes = 0;
  for (const PackedTensor& piece : pieces_) bytes += piece.bytes();
  return bytes;
}

void PackedLinear::apply(MatrixView x, std::size_t first, MutableMatrixView y) const {
  std::optional<PackedInput> input;
  std::size_t begin = 0;  // of the piece, among the weight's rows
  for (const PackedTensor& piece : pieces_) {
    const std::size_t rows = piece.layout().rows;
    const std::size_t from = std::max(first, begin), to = std::min(first + y.cols, begin + rows);
    if (from < to) {
      const Codec& codec = piece.codec();
      if (!input || !input->serves(codec)) input.emplace(codec, x);
      const PackedView view{&codec, piece.layout(), piece.row(0)};
      const std::uint64_t row_bytes = codec.row_bytes(piece.layout().cols);
      const std::size_t at_once = (kBytesAtOnce / std::max<std::uint64_t>(1, row_bytes) / kRowStep + 1) * kRowStep;
      parallel_shares(*pool_, to - from, at_once, [&](std::size_t some, std::size_t end) {
        packed_product(view, *input, from - begin + some,
                       {y.data + (from - first) + some, y.rows, end - some, y.stride});
      });
    }
    begin += rows;
  }
}

}  // namespace quern
