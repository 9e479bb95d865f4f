// Mixes of Quern's own for safetensors folders.
#include "plan/scheme.h"

namespace quern {
namespace {

bool source_is_bf16(const WeightSite& site) { return site.source_encoding == "bf16"; }
bool source_is_f16(const WeightSite& site) { return site.source_encoding == "f16"; }

// The 16-bit core: f16 stays f16, everything else is bf16.
constexpr SchemeRule kSixteenBits[] = {{Part::kLogits, nullptr, "int8_channel"},
                                       {Part::kEmbed, nullptr, "int8_channel"},
                                       {Part::kAny, source_is_f16, "f16"}};
constexpr SchemeRule kInt4[] = {{Part::kLogits, nullptr, "int8_channel"},
                                {Part::kEmbed, nullptr, "int8_channel"},
                                {Part::kStateInput, source_is_f16, "f16"},
                                {Part::kStateInput, nullptr, "bf16"}};
// Embedding and head stay in 16 bits, as bitsandbytes leaves them: its loaders know NF4 in linear layers only. A folder
// of planes has no format of 8 bits.
constexpr SchemeRule kLinearLayers[] = {
    {Part::kLogits, source_is_f16, "f16"},     {Part::kLogits, nullptr, "bf16"},
    {Part::kEmbed, source_is_f16, "f16"},      {Part::kEmbed, nullptr, "bf16"},
    {Part::kStateInput, source_is_f16, "f16"}, {Part::kStateInput, nullptr, "bf16"}};

// In rows so short the offset of a row and the state of its coder take what the coding saves.
constexpr std::uint64_t kShortRow = 64;
bool is_short(const WeightSite& site) { return rows_of(site.weight).cols < kShortRow; }
bool is_short_bf16(const WeightSite& site) { return is_short(site) && source_is_bf16(site); }
bool is_short_f16(const WeightSite& site) { return is_short(site) && source_is_f16(site); }

// Anything else than these floats is decoded to f32, which holds it exactly.
constexpr SchemeRule kLossless[] = {{Part::kAny, is_short_bf16, "bf16"},
                                    {Part::kAny, is_short_f16, "f16"},
                                    {Part::kAny, is_short, "f32"},
                                    {Part::kAny, source_is_bf16, "lossless_bf16"},
                                    {Part::kAny, source_is_f16, "lossless_f16"}};

// VPTQ with the largest codebook that is no more than a fiftieth of the codes; below all of them 8 bits.
constexpr std::uint64_t kMostShare = 50, kHalfBits = 16;
template <std::uint64_t kVector, std::uint64_t kCentroids, std::uint64_t kBits>
bool has_room(const WeightSite& site) {
  const RowsOfWeight rows = rows_of(site.weight);
  return kVector * kCentroids * kHalfBits * kMostShare <= rows.rows * rows.cols * kBits;
}
template <std::uint64_t kVector, std::uint64_t kCentroids, std::uint64_t kBits>
bool lacks_room(const WeightSite& site) {
  return !has_room<kVector, kCentroids, kBits>(site);
}
constexpr SchemeRule kVptq2[] = {{Part::kLogits, nullptr, "int8_channel"},
                                 {Part::kEmbed, nullptr, "int8_channel"},
                                 {Part::kStateInput, source_is_f16, "f16"},
                                 {Part::kStateInput, nullptr, "bf16"},
                                 {Part::kAny, has_room<6, 4096, 2>, "vptq_v6_k4096"},
                                 {Part::kAny, has_room<4, 256, 2>, "vptq_v4_k256"},
                                 {Part::kAny, has_room<3, 64, 2>, "vptq_v3_k64"},
                                 {Part::kAny, lacks_room<2, 16, 2>, "int8_channel"}};
constexpr SchemeRule kVptq3[] = {{Part::kLogits, nullptr, "int8_channel"},
                                 {Part::kEmbed, nullptr, "int8_channel"},
                                 {Part::kStateInput, source_is_f16, "f16"},
                                 {Part::kStateInput, nullptr, "bf16"},
                                 {Part::kAny, has_room<4, 4096, 3>, "vptq_v4_k4096"},
                                 {Part::kAny, has_room<3, 512, 3>, "vptq_v3_k512"},
                                 {Part::kAny, lacks_room<2, 64, 3>, "int8_channel"}};
constexpr SchemeRule kVptq4[] = {{Part::kLogits, nullptr, "int8_channel"},
                                 {Part::kEmbed, nullptr, "int8_channel"},
                                 {Part::kStateInput, source_is_f16, "f16"},
                                 {Part::kStateInput, nullptr, "bf16"},
                                 {Part::kAny, has_room<3, 4096, 4>, "vptq_v3_k4096"},
                                 {Part::kAny, lacks_room<2, 256, 4>, "int8_channel"}};

constexpr Substitute kSmallerGroups[] = {{"int4_g128", "int4_g64"},
                                         {"int4_g64", "int4_g32"},
                                         {"int4_g32", "int8_channel"},
                                         {"int8_channel", "bf16"},
                                         {"nf4", "bf16"}};

constexpr Substitute kSixteenBitsInstead[] = {{"seedlm_3", "bf16"}, {"seedlm_3w", "bf16"}};

constexpr SchemeRule kKernels[] = {{Part::kKernel, source_is_f16, "f16"}, {Part::kKernel, nullptr, "bf16"}};

// A tensor is one grid: nothing but the small inputs of a state-space model asks for more.
constexpr SchemeRule kOneGrid[] = {{Part::kStateInput, source_is_f16, "f16"}, {Part::kStateInput, nullptr, "bf16"}};

constexpr SchemeFamily kEightBits{kKernels, kSmallerGroups}, kMixedFamily{kKernels, kSmallerGroups, "f32"},
    kLosslessFamily{}, kHyperFamily{kKernels, {}}, kSeedFamily{kKernels, kSixteenBitsInstead};

constexpr Scheme kPresetMixes[] = {
    {"simple",
     "8 bits everywhere, one scale a row; needs no text, always works",
     "safetensors",
     "q8_0",
     0,
     "int8_channel",
     {},
     &kEightBits},
    {"int8", "another name of simple", "safetensors", "q8_0", 0, "int8_channel", {}, &kEightBits},
    {"mixed", "8-bit embeddings, 16-bit core, 32 bits for norms, routers and state-space parameters", "safetensors",
     nullptr, 0, "bf16", kSixteenBits, &kMixedFamily},
    {"mixed-int4", "as mixed, with 4 bits (groups of 128) in the large matrices", "safetensors", nullptr, 0,
     "int4_g128", kInt4, &kMixedFamily},
    {"nf4", "4 bits (NormalFloat, blocks of 64) in the large matrices, 16-bit embeddings", "bitsandbytes", nullptr, 0,
     "nf4", kLinearLayers, &kEightBits},
    {"lossless", "every bit is kept: 16-bit floats in two thirds of their size, 32-bit floats in five sixths",
     "safetensors", nullptr, 0, "lossless_f32", kLossless, &kLosslessFamily},
    {"ternary_b3", "1.6 bits: -1, 0 and 1 (BitNet b1.58) in the large matrices, for models that were trained so",
     "safetensors", nullptr, 0, "ternary_b3", kLinearLayers, &kSeedFamily},
    {"hyper_1600", "6 to 6.5 bits: pairs of weights on a grid (Hyper-Compression), for comparison", "safetensors",
     nullptr, 0, "hyper_1600", kOneGrid, &kHyperFamily},
    {"hyper_1600_rans", "the same in about 5.5 bits, entropy coded", "safetensors", nullptr, 0, "hyper_1600_rans",
     kOneGrid, &kHyperFamily},
    {"hyper_225", "5 bits: pairs of weights on a grid (Hyper-Compression), for comparison", "safetensors", nullptr, 0,
     "hyper_225", kOneGrid, &kHyperFamily},
    {"hyper_225_rans", "the same in about 4 bits, entropy coded", "safetensors", nullptr, 0, "hyper_225_rans", kOneGrid,
     &kHyperFamily},
    {"seedlm_4", "4 bits (SeedLM) in the large matrices, 16-bit embeddings; for quern alone", "safetensors", nullptr, 0,
     "seedlm_4", kLinearLayers, &kSeedFamily},
    {"seedlm_3", "3 bits (SeedLM) in the large matrices, 16-bit embeddings; for quern alone", "safetensors", nullptr, 0,
     "seedlm_3", kLinearLayers, &kSeedFamily},
    {"seedlm_4w", "3.6 bits (SeedLM by importance, entropy coded) in the large matrices, embeddings of 16 bits",
     "safetensors", nullptr, 0, "seedlm_4w", kLinearLayers, &kSeedFamily},
    {"seedlm_3w", "2.7 bits (SeedLM by importance, entropy coded) in the large matrices, embeddings of 16 bits",
     "safetensors", nullptr, 0, "seedlm_3w", kLinearLayers, &kSeedFamily},
    {"vptq_4", "4 bits (VPTQ) in the large matrices, 8-bit embeddings; for quern alone", "safetensors", nullptr, 0,
     "vptq_v2_k256", kVptq4, &kMixedFamily},
    {"vptq_3", "3 bits (VPTQ) in the large matrices, 8-bit embeddings; for quern alone", "safetensors", nullptr, 0,
     "vptq_v2_k64", kVptq3, &kMixedFamily},
    {"vptq_2", "2 bits (VPTQ) in the large matrices, 8-bit embeddings; for quern alone", "safetensors", nullptr, 0,
     "vptq_v2_k16", kVptq2, &kMixedFamily},
};

}  // namespace

std::span<const Scheme> preset_mixes() { return kPresetMixes; }

}  // namespace quern
