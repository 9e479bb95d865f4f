// The table of number formats, and whole rows of any of them.
#include <vector>

#include "codec/codec_table.h"

namespace quern {
namespace {

// Highest bits per weight first.
const Codec* const kCodecs[] = {&kF32,      &kF16, &kBf16,    &kQ8_0,     &kInt8Channel, &kQ6K,       &kQ5K,
                                &kInt4aG32, &kQ4K, &kInt4G32, &kInt4aG64, &kInt4G64,     &kInt4aG128, &kInt4G128};

template <typename Pointer>
void advance(const Codec& codec, std::size_t weights, std::array<Pointer, kMaxPlanes>& planes) {
  for (std::size_t p = 0; p < codec.planes.size(); ++p) {
    planes[p] += codec.planes[p].bytes_per_block + weights * codec.planes[p].bytes_per_weight;
  }
}

double squared_error(std::span<const float> weights, std::span<const float> values, std::span<const float> importance) {
  double sum = 0;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const double error = static_cast<double>(weights[k]) - static_cast<double>(values[k]);
    sum += importance.empty() ? error * error : static_cast<double>(importance[k]) * error * error;
  }
  return sum;
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

double encode_row(const Codec& codec, std::span<const float> weights, std::span<const float> importance,
                  PlanePointers planes) {
  const std::size_t block = codec.block == 0 ? weights.size() : codec.block;
  std::vector<std::byte> side(codec.side_bytes);
  std::vector<std::int32_t> codes(block);
  std::vector<float> values(block);
  double error = 0;
  for (std::size_t first = 0; first < weights.size(); first += block) {
    const auto block_weights = weights.subspan(first, block);
    const auto block_importance = importance.empty() ? importance : importance.subspan(first, block);
    codec.fit(block_weights, block_importance, side.data());
    codec.round(side.data(), 0, block_weights, codes, values);
    codec.pack(side.data(), codes, planes);
    error += squared_error(block_weights, values, block_importance);
    advance(codec, block, planes);
  }
  return error;
}

}  // namespace quern
