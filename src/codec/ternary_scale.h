// What the codecs of ternary weights under one scale of the tensor share: the scale is learnt from all rows, codes are
// 0, 1 and 2 for -1, 0 and 1. How codes lie in bytes is each codec's own.
#pragma once

#include "codec/codec.h"

namespace quern {

// REQUIRES: a codec with the side information of a tensor.
float ternary_scale(const Codec& codec);

// The one magnitude that is not 0, or where there are several their mean (absmean of BitNet b1.58, arXiv:2402.17764).
std::unique_ptr<TensorTraining> train_ternary_scale(const Codec& codec);
// binary32, finite and not negative: Error(kInput).
std::shared_ptr<const TensorSide> load_ternary_scale(const Codec& codec, std::span<const std::byte> bytes);
void fit_nothing(const Codec& codec, std::span<const float> weights, std::span<const float> importance,
                 std::byte* side);
void round_to_ternary(const Codec& codec, const std::byte* side, std::uint32_t first, std::span<const float> weights,
                      std::span<const float> importance, std::span<std::int32_t> codes, std::span<float> values);

inline constexpr CodecPlane kTernaryPlanes[] = {{.name = "codes"},
                                                {.name = "scale", .holds = CodecPlane::Holds::kTensorSide}};

// All but the bytes of codes: `pack`, `decode`, and what says how many they are. A row is one block.
constexpr Codec ternary_codec(const char* name, const char* summary, double bits) {
  Codec made{.name = name,
             .summary = summary,
             .bits_per_weight = bits,
             .block = 0,
             .planes = kTernaryPlanes,
             .fit = fit_nothing,
             .round = round_to_ternary};
  made.use = Codec::Use::kTrained;
  made.train = train_ternary_scale;
  made.load_tensor_side = load_ternary_scale;
  return made;
}

}  // namespace quern
