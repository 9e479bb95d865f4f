// Names of modules and members of configurations.
#include "packed/quantized_modules.h"

#include <algorithm>

#include "base/python_json.h"

namespace quern {
namespace {

constexpr std::string_view kEmbeddings[] = {"embed_tokens",    "embeddings",     "wte",
                                            "word_embeddings", "tok_embeddings", "embed_in"};
constexpr std::string_view kQuantizationKeys[] = {"quantization_config", "compression_config"};
constexpr std::string_view kMlxKey = "quantization";

}  // namespace

bool is_embedding_module(const std::string& module) {
  const std::string last = module.substr(module.rfind('.') + 1);
  return std::find(std::begin(kEmbeddings), std::end(kEmbeddings), last) != std::end(kEmbeddings);
}

const char* why_not_packed(std::string_view tensor, std::size_t axes) {
  if (axes != 2) return "only matrices of two axes can be packed there";
  return tensor.ends_with(kWeightSuffix) ? nullptr : "only tensors named M.weight can be packed there";
}

std::string member_text(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (!value || value->is_null()) return "";
  return value->is_string() ? value->as_string() : dump_python_json(*value);
}

bool lacks_member(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return !value || value->is_null() || (value->is_object() && value->as_object().empty());
}

const Json* find_quantization(const Json& config) {
  for (const std::string_view key : kQuantizationKeys)
    if (!lacks_member(config, key)) return config.find(key);
  return nullptr;
}

bool declares_quantization(const Json& config) { return find_quantization(config) || !lacks_member(config, kMlxKey); }

Json without_quantization(const Json& config) {
  if (config.is_null()) return config;
  Json out = Json::object();
  for (const Json::Member& member : config.as_object())
    if (std::ranges::find(kQuantizationKeys, member.first) == std::end(kQuantizationKeys) && member.first != kMlxKey)
      out.as_object().push_back(member);
  return out;
}

}  // namespace quern
