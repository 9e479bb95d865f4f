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
bool is_of_no_expert(const WeightSite& site) { return !site.weight.role.starts_with("moe."); }

bool has_four_experts(const WeightSite& site) { return site.extent("experts") >= 4; }
bool is_unmeasured(const WeightSite& site) { return !site.has_statistics; }
bool is_query(const WeightSite& site) { return site.weight.role == "attn.q"; }
bool is_among_first_eighth(const WeightSite& site) { return site.rank() < site.siblings() / 8; }
bool is_favoured_down_of_eight_experts(const WeightSite& site) {
  return has_eight_experts(site) && is_favoured_down(site);
}
bool has_whole_blocks(const WeightSite& site) { return rows_of(site.weight).cols % 256 == 0; }
// All but the first and the last eighth.
bool is_inner_gate_or_up(const WeightSite& site) {
  const std::string_view role = site.weight.role;
  const auto layers = static_cast<std::int64_t>(site.extent("layers"));
  return (role.ends_with(".gate") || role.ends_with(".up") || role.ends_with(".gate_up")) &&
         site.weight.layer >= layers / 8 && site.weight.layer < 7 * layers / 8;
}

constexpr SchemeRule kFirst[] = {{Part::kLogits, nullptr, "q6_k"},
                                 {Part::kValue, has_eight_experts, "q8_0"},
                                 {Part::kKey, has_eight_experts, "q8_0"}};

constexpr SchemeRule kFirstOfIq2[] = {
    {Part::kLogits, has_whole_blocks, "q5_k"},     {Part::kLogits, nullptr, "q8_0"},
    {Part::kValue, shares_values_by_four, "q4_k"}, {Part::kValue, has_four_experts, "q4_k"},
    {Part::kKey, has_eight_experts, "q4_k"},       {Part::kAttentionOut, has_eight_experts, "q5_k"}};
constexpr SchemeRule kFirstOfIq3Xxs[] = {{Part::kLogits, has_whole_blocks, "q5_k"},
                                         {Part::kLogits, nullptr, "q8_0"},
                                         {Part::kValue, has_eight_experts, "q8_0"},
                                         {Part::kKey, has_eight_experts, "q8_0"}};

constexpr Substitute kSmallerBlocks[] = {
    {"iq1_s", "iq4_nl"},   {"iq1_m", "iq4_nl"}, {"iq2_xxs", "iq4_nl"}, {"iq2_xs", "iq4_nl"}, {"iq2_s", "iq4_nl"},
    {"iq3_xxs", "iq4_nl"}, {"iq3_s", "iq4_nl"}, {"iq4_xs", "iq4_nl"},  {"q2_k", "q4_0"},     {"q3_k", "q4_0"},
    {"i2_s", "f16"},       {"tq1_0", "q4_0"},   {"tq2_0", "q4_0"},     {"q4_k", "q5_0"},     {"q5_k", "q5_1"},
    {"q6_k", "q8_0"},      {"q4_0", "f16"},     {"q4_1", "f16"},       {"q5_0", "f16"},      {"q5_1", "f16"},
    {"q8_0", "f16"},       {"iq4_nl", "f16"},   {"mxfp4", "f16"}};

constexpr SchemeFamily kIq2Mix{kFirstOfIq2, kSmallerBlocks}, kIq3XxsMix{kFirstOfIq3Xxs, kSmallerBlocks};
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
constexpr SchemeRule kIq1[] = {{Part::kEmbed, nullptr, "q2_k"},
                               {Part::kValue, nullptr, "q2_k"},
                               {Part::kDown, is_among_first_eighth, "q2_k"},
                               {Part::kAttentionOut, nullptr, "iq2_xxs"}};
constexpr SchemeRule kIq2Xs[] = {
    {Part::kEmbed, nullptr, "q2_k"}, {Part::kValue, nullptr, "q2_k"}, {Part::kDown, is_among_first_eighth, "q2_k"}};
constexpr SchemeRule kIq2S[] = {{Part::kEmbed, nullptr, "iq3_s"},
                                {Part::kValue, nullptr, "iq3_s"},
                                {Part::kDown, is_among_first_eighth, "iq3_s"},
                                {Part::kAttentionOut, nullptr, "iq3_s"}};
constexpr SchemeRule kIq3Xxs[] = {{Part::kEmbed, nullptr, "iq3_s"},
                                  {Part::kValue, is_70b, "q5_k"},
                                  {Part::kValue, shares_values_by_four, "q4_k"},
                                  {Part::kValue, is_unmeasured, "iq3_s"},
                                  {Part::kKey, nullptr, "iq2_s"},
                                  {Part::kOther, is_query, "iq2_s"},
                                  {Part::kDown, unmeasured_first_eighth, "q4_k"},
                                  {Part::kDown, is_unmeasured, "q3_k"},
                                  {Part::kAttentionOut, has_eight_experts, "q5_k"},
                                  {Part::kAttentionOut, nullptr, "iq3_s"}};
constexpr SchemeRule kIq3Xs[] = {{Part::kValue, is_70b, "q5_k"},
                                 {Part::kValue, shares_values_by_four, "q4_k"},
                                 {Part::kKey, nullptr, "iq3_xxs"},
                                 {Part::kOther, is_query, "iq3_xxs"},
                                 {Part::kOther, is_inner_gate_or_up, "iq3_xxs"},
                                 {Part::kAttentionOut, has_eight_experts, "q5_k"}};
constexpr SchemeRule kIq3S[] = {{Part::kValue, is_70b, "q5_k"},
                                {Part::kValue, shares_values_by_four, "q4_k"},
                                {Part::kAttentionOut, has_eight_experts, "q5_k"}};
constexpr SchemeRule kIq3M[] = {{Part::kValue, is_70b, "q5_k"},
                                {Part::kValue, nullptr, "q4_k"},
                                {Part::kDown, in_first_eighth, "q4_k"},
                                {Part::kDown, is_favoured_down_of_eight_experts, "q4_k"},
                                {Part::kAttentionOut, has_eight_experts, "q5_k"},
                                {Part::kAttentionOut, nullptr, "q4_k"}};
constexpr SchemeRule kTernary[] = {{Part::kEmbed, nullptr, "q4_k"}};
constexpr SchemeRule kI2s[] = {{Part::kEmbed, nullptr, "q6_k"}};
constexpr SchemeRule kMxfp4Moe[] = {{Part::kLogits, nullptr, "q8_0"}, {Part::kAny, is_of_no_expert, "q8_0"}};

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
    row("iq1_s", 24, "iq1_s", "1.6 bits, 2.1 and more where it hurts most", kIq1, kIq2Mix),
    row("iq1_m", 31, "iq1_m", "1.75 bits, 2.1 and more where it hurts most", kIq1, kIq2Mix),
    row("iq2_xxs", 19, "iq2_xxs", "2.1 bits, 2.6 and more where it hurts most", kIq2Xs, kIq2Mix),
    row("iq2_xs", 20, "iq2_xs", "2.3 bits, 2.6 and more where it hurts most", kIq2Xs, kIq2Mix),
    row("iq2_s", 28, "iq2_xs", "2.3 bits, 3.4 and more where it hurts most", kIq2S, kIq2Mix),
    row("iq2_m", 29, "iq2_s", "2.6 bits, 3.4 and more where it hurts most", kIq2S, kIq2Mix),
    row("iq3_xxs", 23, "iq3_xxs", "3.1 bits, 2.6 in queries and keys, 3.4 where it hurts most", kIq3Xxs, kIq3XxsMix),
    row("iq3_xs", 22, "iq3_s", "3.4 bits, 3.1 where it hurts least", kIq3Xs),
    row("iq3_s", 26, "iq3_s", "3.4 bits", kIq3S),
    row("iq3_m", 27, "iq3_s", "3.4 bits, 4.5 where it hurts most", kIq3M),
    row("iq4_nl", 25, "iq4_nl", "4.5 bits, a fixed uneven grid, blocks of 32", kIq4),
    row("iq4_xs", 30, "iq4_xs", "4.25 bits, a fixed uneven grid, blocks of 256", kIq4),
    row("tq1_0", 36, "tq1_0", "1.7 bits, for weights trained to be -1, 0 or 1", kTernary),
    row("tq2_0", 37, "tq2_0", "2.1 bits, for weights trained to be -1, 0 or 1", kTernary),
    row("i2_s", 40, "i2_s", "2 bits, for weights trained to be -1, 0 or 1, for bitnet.cpp", kI2s),
    row("i2_s_rows", 40, "i2_s_rows", "the same for a bitnet.cpp built without ACT_PARALLEL", kI2s),
    row("mxfp4_moe", 38, "mxfp4", "4.25 bits (MXFP4) in experts, 8.5 elsewhere", kMxfp4Moe, kUniform),
    row("bf16", 32, "bf16", "16 bits (bfloat16), no quantization", {}, kUniform),
    row("f16", 1, "f16", "16 bits (half precision), no quantization", {}, kUniform),
    row("f32", 0, "f32", "32 bits, no quantization", {}, kUniform),
};

}  // namespace

std::span<const Scheme> gguf_mixes() { return kGgufMixes; }

}  // namespace quern
