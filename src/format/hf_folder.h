// Which files make up a Hugging Face checkpoint, found by name.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "format/checkpoint.h"

namespace quern {

struct HfFiles {
  std::vector<std::filesystem::path> weights;  // in the order of their names
  std::filesystem::path index;                 // empty: one weight file
  Json weight_map;                             // of the index: tensor -> file name; null without one
};

// Whether the folder holds model.safetensors, an index of shards, or exactly one *.safetensors file.
bool holds_hf_weights(const std::filesystem::path& folder);

// Error(kInput) when the folder holds no safetensors weights, several models, or the index names a file that is
// missing.
HfFiles find_hf_weights(const std::filesystem::path& folder);

// Whether a file is called as a list of words or characters is: "tokenizer_tiny.json".
bool is_word_list_name(std::string_view name);

// Configuration, index and tokenizer files that lie in the folder.
std::vector<SourceFile> find_hf_companions(const std::filesystem::path& folder);

}  // namespace quern
