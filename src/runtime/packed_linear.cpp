// Loading packed rows, and cutting a product into tasks.
#include "runtime/packed_linear.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "kernel/packed_product.h"
#include "quern/error.h"

namespace quern {
namespace {

// Of a thread's run of rows at once: what the last thread may keep the others waiting for.
constexpr std::uint64_t kBytesAtOnce = 1 << 16;
constexpr std::size_t kRowStep = 4;  // the kernels take a few rows at a time

// What rows are kept in that are nowhere in a codec's bytes.
const Codec& float_codec(const Weights& weights, const Weight& weight) {
  const Codec& codec = stored_codec(weights, weight);
  const bool is_float = codec.fit && codec.side_bytes == 0 && !codec.train;  // no scales: each value alone
  return is_float ? codec : *find_codec(kFloat32);
}

PackedTensor packed_floats(const WalkContext& context, const Weight& weight) {
  const Codec& codec = float_codec(context.weights, weight);
  PackedTensor packed(codec, weight.layout());
  const bool turns = weight.storage == Weight::Storage::kTransposed;
  const Matrix whole = turns ? context.weights.read(weight) : Matrix();
  parallel_for(context.pool, weight.layout().rows, 64, [&](std::size_t begin, std::size_t end) {
    Matrix some(turns ? 0 : end - begin, weight.layout().cols);
    if (!turns) context.weights.read_rows(weight, begin, some.view());
    for (std::size_t i = begin; i < end; ++i)
      encode_row(codec, turns ? whole.row(i) : std::as_const(some).row(i - begin), {}, packed.row(i));
  });
  return packed;
}

}  // namespace

std::vector<PackedTensor> load_packed(const WalkContext& context, const Weight& weight) {
  std::vector<PackedTensor> pieces = context.weights.read_packed(weight);
  if (pieces.empty()) pieces.push_back(packed_floats(context, weight));
  return pieces;
}

std::uint64_t packed_bytes(const Weights& weights, const Weight& weight) {
  const RowLayout layout = weight.layout();
  const std::vector<PackedRun> runs = weights.packed_runs(weight);
  if (runs.empty()) return layout.rows * float_codec(weights, weight).row_bytes(layout.cols);
  std::uint64_t bytes = 0;
  for (const PackedRun& run : runs) bytes += run.bytes;
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
      const std::size_t step = std::lcm(kRowStep, std::size_t{codec.stripe});
      const std::size_t at_once =
          (kBytesAtOnce * codec.stripe / std::max<std::uint64_t>(1, row_bytes) / step + 1) * step;
      parallel_shares(*pool_, to - from, at_once, [&](std::size_t some, std::size_t end) {
        packed_product(view, *input, from - begin + some,
                       {y.data + (from - first) + some, y.rows, end - some, y.stride});
      });
    }
    begin += rows;
  }
}

}  // namespace quern
