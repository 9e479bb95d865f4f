// Which files make up a Hugging Face checkpoint, found by name.
#pragma once

#include <filesystem>
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

// Adds the configuration and tokenizer files that lie in the folder, and what config.json says. Error(kInput) where
// that is no JSON object.
void add_hf_companions(const std::filesystem::path& folder, Checkpoint::Contents& contents);

}  // namespace quern
