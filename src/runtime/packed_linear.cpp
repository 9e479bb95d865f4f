// Loading packed rows, and cutting a product into tasks.
#include "runtime/packed_linear.h"

#include <algorithm>

#include "kernel/packed_product.h"
#include "quern/error.h"

namespace quern {
namespace {

// Of a thread's run of rows at once: what the last thread may keep the others waiting for.
constexpr std::uint64_t kBytesAtOnce = 1 << 16;
constexpr std::size_t kRowStep = 4;  // the kernels take a few rows at a time

const Codec& codec_of(const WalkContext& context, const Weight& weight) {
  const std::string& encoding = stored_encoding(context.weights.checkpoint(), weight);
  const Codec* codec = find_codec(encoding);
  if (!codec)
    fail(ErrorCode::kInput, "{}: tensor {} is stored as {}, which cannot be decoded to weights",
         context.weights.checkpoint().path().string(), weight.tensor, encoding);
  return *codec;
}

// Planes first .. of the tensor's rows go to rows `to` of the packed tensor.
void load_rows(const Checkpoint& checkpoint, const WeightPart& part, std::size_t to, PackedTensor& packed) {
  const TensorEntry& entry = checkpoint.at(part.tensor);
  const Codec& codec = packed.codec();
  if (entry.encoding != codec.name)
    fail(ErrorCode::kInput, "{}: tensors that form one weight are stored as {} and {} ({})", checkpoint.path().string(),
         codec.name, entry.encoding, part.tensor);
  for (std::size_t p = 0; p < codec.planes.size(); ++p) {
    const std::uint64_t row_bytes = codec.plane_row_bytes(p, packed.layout().cols);
    checkpoint.read(entry, p, part.first * row_bytes, packed.plane(p).subspan(to * row_bytes, part.rows * row_bytes));
  }
}

PackedTensor packed_floats(const WalkContext& context, const Weight& weight, const Codec& codec) {
  const Matrix whole = context.weights.read(weight);
  PackedTensor packed(codec, weight.layout());
  parallel_for(context.pool, whole.rows(), 64, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) encode_row(codec, whole.row(i), {}, packed.row(i));
  });
  return packed;
}

}  // namespace

PackedTensor load_packed(const WalkContext& context, const Weight& weight) {
  const Codec& codec = codec_of(context, weight);
  if (weight.storage == Weight::Storage::kTransposed) {
    const bool is_float = codec.side_bytes == 0;  // no scales: each value alone
    return packed_floats(context, weight, is_float ? codec : *find_codec(kFloat32));
  }
  PackedTensor packed(codec, weight.layout());
  std::vector<WeightPart> parts = weight.parts;
  if (parts.empty()) parts.push_back({weight.tensor, 0, weight.layout().rows});
  std::size_t to = 0;
  for (const WeightPart& part : parts) {
    load_rows(context.weights.checkpoint(), part, to, packed);
    to += part.rows;
  }
  return packed;
}

void PackedLinear::apply(MatrixView x, std::size_t first, MutableMatrixView y) const {
  const PackedInput input(weights_.codec(), x);
  const PackedView view{&weights_.codec(), weights_.layout(), weights_.row(0)};
  const std::uint64_t row_bytes = weights_.codec().row_bytes(weights_.layout().cols);
  const std::size_t at_once = (kBytesAtOnce / std::max<std::uint64_t>(1, row_bytes) / kRowStep + 1) * kRowStep;
  parallel_shares(*pool_, y.cols, at_once, [&](std::size_t begin, std::size_t end) {
    packed_product(view, input, first + begin, {y.data + begin, y.rows, end - begin, y.stride});
  });
}

}  // namespace quern
