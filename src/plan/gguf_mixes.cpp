// The mixes of llama.cpp's llama-quantize under its names, with its choice of type for every tensor: the rules of
// llama_tensor_get_type and tensor_type_fallback in src/llama-quant.cpp (build of 2026-08-24) in terms of roles and
// layers. Differences: where llama-quantize gives up (rows that 32 does not divide, in a mix without k-quants), these
// take f16 as its k-quant mixes do; rules for families that Quern does not describe are left out.
//
// Fused query-key-value matrices count as values there, so its own later rules for them never apply.
#include "plan/scheme.h"

namespace quern {
namespace {

bool in_first(const WeightSite& site, std::int64_t share) {
  const auto layers = static_cast<std::int64_t>(site.extent("layers"));
  return (site.extent("experts") > 1 ? site.weight.layer : site.rank()) < layers / share;
}

// use_more_bits: the first and the last eighth, and every third one between.
bool is_favoured(std::int64_t i, std::int64_t count) {
  return i < count / 8 || i >= 7 * count / 8 || (i - count / 8) % 3 == 2;
}

bool in_first_eighth(const WeightSite& site) { return in_first(site, 8); }
bool in_first_sixteenth(const WeightSite& site) { return in_first(site, 16); }
bool measured_first_eighth(const WeightSite& site) { return site.has_statistics && in_first_eighth(site); }
bool unmeasured_first_eighth(const WeightSite& site) { return !site.has_statistics && in_first_eighth(site); }
bool is_favoured_value(const WeightSite& site) { return is_favoured(site.rank(), site.siblings()); }
bool is_favoured_down(const WeightSite& site) {
  return is_favoured(site.extent("experts") > 1 ? site.weight.layer : site.rank(),
                     static_cast<std::int64_t>(site.extent("layers")));
}
bool is_one_of_first_two(const WeightSite& site) { return site.rank() < 2; }
bool is_one_of_first_four(const WeightSite& site) { return site.rank() < 4; }
bool shares_values_by_four(const WeightSite& site) {
  return site.extent("kv_heads") > 0 && site.extent("heads") / site.extent("kv_heads") >= 4;
}
// What llama-quantize calls a 70B model: 80 layers, and values shared by several heads.
bool is_70b(const WeightSite& site) {
  return site.extent("layers") == 80 && site.extent("heads") != site.extent("kv_heads");
}
bool has_eight_experts(const WeightSite& site) { return site.extent("experts") == 8; }
bool has_other_than_eight_experts(const WeightSite& site) { return !has_eight_experts(site); }
bool is_of_an_expert(const WeightSite& site) { return site.weight.role.starts_with("moe."); }

constexpr SchemeRule kFirst[] = {{Part::kLogits, nullptr, "q6_k"},
                                 {Part::kValue, has_eight_experts, "q8_0"},
                                 {Part::kKey, has_eight_experts, "q8_0"}};

constexpr Substitute kSmallerBlocks[] = {{"iq4_xs", "iq4_nl"}, {"q2_k", "q4_0"},  {"q3_k", "q4_0"}, {"tq1_0", "q4_0"},
                                         {"tq2_0", "q4_0"},    {"q4_k", "q5_0"},  {"q5_k", "q5_1"}, {"q6_k", "q8_0"},
                                         {"q4_0", "f16"},      {"q4_1", "f16"},   {"q5_0", "f16"},  {"q5_1", "f16"},
                                         {"q8_0", "f16"},      {"iq4_nl", "f16"}, {"mxfp4", "f16"}};

constexpr SchemeFamily kMix{kFirst, kSmallerBlocks}, kUniform{{}, kSmallerBlocks};

constexpr SchemeRule kQ2K[] = {{Part::kValue, is_70b, "q5_k"},
                               {Part::kValue, shares_values_by_four, "q4_k"},
                               {Part::kValue, nullptr, "q3_k"},
                               {Part::kDown, nullptr, "q3_k"},
                               {Part::kAttentionOut, has_eight_experts, "q5_k"},
                               {Part::kAttentionOut, nullptr, "q3_k"}};
constexpr SchemeRule kQ3KS[] = {{Part::kValue, is_70b, "q5_k"}, {Part::kAttentionOut, has_eight_experts, "q5_k"}};
constexpr SchemeRule kQ3KM[] = {{Part::kValue, is_70b, "q5_k"},        {Part::kValue, is_one_of_first_two, "q5_k"},
                                {Part::kValue, nullptr, "q4_k"},       {Part::kDown, in_first_sixteenth, "q5_k"},
                                {Part::kDown, nullptr, "q4_k"},        {Part::kAttentionOut, has_eight_experts, "q5_k"},
                                {Part::kAttentionOut, nullptr, "q4_k"}};
constexpr SchemeRule kQ3KL[] = {{Part::kValue, nullptr, "q5_k"},
                                {Part::kDown, nullptr, "q5_k"},
                                {Part::kAttentionOut, has_other_than_eight_experts, "q5_k"}};
constexpr SchemeRule kQ40[] = {{Part::kDown, measured_first_eighth, "q4_1"}};
constexpr SchemeRule kQ50[] = {{Part::kDown, measured_first_eighth, "q5_1"}};
constexpr SchemeRule kQ4KS[] = {{Part::kValue, is_70b, "q5_k"},
                                {Part::kValue, is_one_of_first_four, "q5_k"},
                                {Part::kDown, in_first_eighth, "q5_k"},
                                {Part::kAttentionOut, has_eight_experts, "q5_k"}};
constexpr SchemeRule kQ4KM[] = {{Part::kValue, is_favoured_value, "q6_k"},
                                {Part::kValue, is_70b, "q5_k"},
                                {Part::kDown, is_favoured_down, "q6_k"},
                                {Part::kAttentionOut, has_eight_experts, "q5_k"}};
constexpr SchemeRule kQ5KM[] = {{Part::kValue, is_favoured_value, "q6_k"}, {Part::kDown, is_favoured_down, "q6_k"}};
constexpr SchemeRule kIq4[] = {{Part::kValue, shares_values_by_four, "q5_k"},
                               {Part::kDown, unmeasured_first_eighth, "q5_k"},
                               {Part::kAttentionOut, has_eight_experts, "q5_k"}};
constexpr SchemeRule kTernary[] = {{Part::kEmbed, nullptr, "q4_k"}};
constexpr SchemeRule kMxfp4Moe[] = {{Part::kLogits, nullptr, "q8_0"}, {Part::kAny, is_of_an_expert, "mxfp4"}};

constexpr Scheme row(const char* name, std::uint32_t file_type, const char* codec, const char* summary,
                     std::span<const SchemeRule> rules = {}, const SchemeFamily& family = kMix) {
  return {name, summary, "gguf", nullptr, file_type, codec, rules, &family};
}

constexpr Scheme kGgufMixes[] = {
    row("q2_k", 10, "q2_k", "2.6 bits, 3.4 and more where it hurts most", kQ2K),
    row("q3_k_s", 11, "q3_k", "3.4 bits", kQ3KS),
    row("q3_k_m", 12, "q3_k", "3.4 bits, 4.5 and more where it hurts most", kQ3KM),
    row("q3_k_l", 13, "q3_k", "3.4 bits, 5.5 where it hurts most", kQ3KL),
    row("q4_0", 2, "q4_0", "4.5 bits, blocks of 32, one scale each", kQ40),
    row("q4_1", 3, "q4_1", "5 bits, blocks of 32, a scale and a minimum each"),
    row("q4_k_s", 14, "q4_k", "4.5 bits, 5.5 in the first layers", kQ4KS),
    row("q4_k_m", 15, "q4_k", "4.5 bits, 6.6 where it hurts most", kQ4KM),
    row("q5_0", 8, "q5_0", "5.5 bits, blocks of 32, one scale each", kQ50),
    row("q5_1", 9, "q5_1", "6 bits, blocks of 32, a scale and a minimum each"),
    row("q5_k_s", 16, "q5_k", "5.5 bits"),
    row("q5_k_m", 17, "q5_k", "5.5 bits, 6.6 where it hurts most", kQ5KM),
    row("q6_k", 18, "q6_k", "6.6 bits everywhere"),
    row("q8_0", 7, "q8_0", "8.5 bits everywhere", {}, kUniform),
    row("iq4_nl", 25, "iq4_nl", "4.5 bits, a fixed uneven grid, blocks of 32", kIq4),
    row("iq4_xs", 30, "iq4_xs", "4.25 bits, a fixed uneven grid, blocks of 256", kIq4),
    row("tq1_0", 36, "tq1_0", "1.7 bits, for weights trained to be -1, 0 or 1", kTernary),
    row("tq2_0", 37, "tq2_0", "2.1 bits, for weights trained to be -1, 0 or 1", kTernary),
    row("mxfp4_moe", 38, "q8_0", "4.25 bits (MXFP4) in experts, 8.5 elsewhere", kMxfp4Moe, kUniform),
    row("bf16", 32, "bf16", "16 bits (bfloat16), no quantization", {}, kUniform),
    row("f16", 1, "f16", "16 bits (half precision), no quantization", {}, kUniform),
    row("f32", 0, "f32", "32 bits, no quantization", {}, kUniform),
};

}  // namespace

std::span<const Scheme> gguf_mixes() { return kGgufMixes; }

}  // namespace quern
