// The name of a model ("acme/Tiny-Llama-3M-Instruct-v1.0") taken apart as llama.cpp's converter does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace quern {

struct ModelId {
  std::optional<std::string> name, organization, basename, finetune, version, size_label;
};

// `parameters` of the model itself: what looks like a size, but is far from it, is a length of context ("128k").
// Source: gguf-py 0.19, gguf/metadata.py, Metadata.get_model_id_components.
ModelId model_id(const std::string& id, std::uint64_t parameters);

// "tiny-llama-v2" -> "Tiny Llama v2". Source: the same, id_to_title.
std::string id_to_title(const std::string& id);

// "6.8M"; of a mixture "8x1.2M", of the experts' number and what a token may use. `experts`: 0 of others.
// Source: gguf-py 0.19, gguf/utility.py, size_label.
struct ParameterCounts {
  std::uint64_t all = 0, shared = 0, of_one_expert = 0, experts = 0;
};
std::string size_label(const ParameterCounts& counts);

}  // namespace quern
