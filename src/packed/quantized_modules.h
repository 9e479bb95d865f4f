// Names of modules and members of configurations, as the writers of quantized safetensors share them.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace quern {

inline constexpr std::string_view kWeightSuffix = ".weight";

// `name` without `suffix`. REQUIRES: name ends with it.
inline std::string module_of(const std::string& name, std::string_view suffix = kWeightSuffix) {
  return name.substr(0, name.size() - suffix.size());
}

// Whether the last part of the name is one that transformers gives to input embeddings, which are no Linear modules.
bool is_embedding_module(const std::string& module);

// Why a tensor of this name and number of axes cannot be packed, as a sentence; null: it can.
const char* why_not_packed(std::string_view tensor, std::size_t axes);

// The member as text: strings as they are, other values as JSON, "" where it is absent or null.
std::string member_text(const Json& object, std::string_view key);
// Absent, null, or an empty object.
bool lacks_member(const Json& object, std::string_view key);
// The quantization of the source, whatever it is called; null when there is none.
const Json* find_quantization(const Json& config);
// Whether there is one, or MLX's "quantization".
bool declares_quantization(const Json& config);
// `config` without any quantization; null stays null.
Json without_quantization(const Json& config);

}  // namespace quern
