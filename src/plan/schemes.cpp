// The table of schemes. A name that llama-quantize uses means the same choice of types here.
#include <array>

#include "base/names.h"
#include "plan/scheme.h"
#include "quern/error.h"

namespace quern {
namespace {

// llama-quantize's use_more_bits: the first and the last eighth of the layers, and every third one between.
bool is_favoured_layer(const Weight& weight, const ModelSpec& spec) {
  const auto layers = static_cast<std::int64_t>(spec.extent("layers"));
  const std::int64_t i = weight.layer, eighth = layers / 8;
  return i < eighth || i >= 7 * layers / 8 || (i - eighth) % 3 == 2;
}

bool makes_logits(const Weight& weight, const ModelSpec& spec) {
  return weight.role == "head" || (weight.role == "embed" && spec.tied_head);
}

bool is_sensitive(const Weight& weight, const ModelSpec& spec) {
  return makes_logits(weight, spec) ||
         ((weight.role == "attn.v" || weight.role == "mlp.down") && is_favoured_layer(weight, spec));
}

const char* q4_k_m_codec(const Weight& weight, const ModelSpec& spec) {
  return is_sensitive(weight, spec) ? "q6_k" : "q4_k";
}
const char* q5_k_m_codec(const Weight& weight, const ModelSpec& spec) {
  return is_sensitive(weight, spec) ? "q6_k" : "q5_k";
}

constexpr Scheme kSimple{
    "simple", "8 bits everywhere, one scale an output channel; always works", "safetensors", "q8_0",
    0,        [](const Weight&, const ModelSpec&) { return "int8_channel"; }};
constexpr Scheme kQ4KM{"q4_k_m", "4.5 bits, 6.6 where it hurts most", "gguf", nullptr, 15, q4_k_m_codec};
constexpr Scheme kQ5KM{"q5_k_m", "5.5 bits, 6.6 where it hurts most", "gguf", nullptr, 17, q5_k_m_codec};
constexpr Scheme kQ6K{
    "q6_k", "6.6 bits everywhere", "gguf", nullptr, 18, [](const Weight&, const ModelSpec&) { return "q6_k"; }};
constexpr Scheme kQ80{
    "q8_0", "8.5 bits everywhere", "gguf", nullptr, 7, [](const Weight&, const ModelSpec&) { return "q8_0"; }};
constexpr Scheme kBf16{"bf16", "16 bits (bfloat16), no quantization",
                       "gguf", nullptr,
                       32,     [](const Weight&, const ModelSpec&) { return "bf16"; }};
constexpr Scheme kF16{"f16", "16 bits (half precision), no quantization",          "gguf", nullptr,
                      1,     [](const Weight&, const ModelSpec&) { return "f16"; }};
constexpr Scheme kF32{
    "f32", "32 bits, no quantization", "gguf", nullptr, 0, [](const Weight&, const ModelSpec&) { return "f32"; }};

constexpr std::array<const Scheme*, 8> kSchemes{&kSimple, &kQ4KM, &kQ5KM, &kQ6K, &kQ80, &kBf16, &kF16, &kF32};

}  // namespace

std::span<const Scheme* const> schemes() { return kSchemes; }

const Scheme& find_scheme(std::string_view name) {
  std::vector<std::string> known;
  for (const Scheme* scheme : kSchemes) {
    if (scheme->name == name) return *scheme;
    known.emplace_back(scheme->name);
  }
  fail(ErrorCode::kUsage, "there is no scheme \"{}\"; did you mean {}?", name, nearest_names(name, known));
}

}  // namespace quern
