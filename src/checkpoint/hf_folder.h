// Which files make up a Hugging Face checkpoint, found by name.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace quern {

struct HfFiles {
  std::vector<std::filesystem::path> weights;  // in the order of their names
  std::filesystem::path index;                 // empty: one weight file
  Json weight_map;                             // of the index: tensor -> file name; null without one
};

// How a container's files are called in such a folder.
struct HfNames {
  const char* weights;       // "model.safetensors": all in one
  const char* index;         // "model.safetensors.index.json": several, and which tensor is in which
  const char* suffix;        // ".safetensors": of the only such file, whatever it is called; null: it is not taken
  const char* index_suffix;  // ".safetensors.index.json": the same of an index
};
extern const HfNames kSafetensorsNames, kPytorchNames;

// Whether the folder holds all in one file, an index of shards, exactly one file with the suffix, or a whole set of
// shards by their names.
bool holds_hf_weights(const std::filesystem::path& folder, const HfNames& names);

// Whether a file is called as a list of words or characters is: "tokenizer_tiny.json".
bool is_word_list_name(std::string_view name);
// "tokenizer.bin" and "tok512.bin": the lists of llama2.c (vocabulary/score_list.h).
bool is_score_list_name(std::string_view name);

// Error(kInput) when the folder holds no such weights, several models, or the index names a file that is missing.
HfFiles find_hf_weights(const std::filesystem::path& folder, const HfNames& names);

// The shards of the folder's index, whatever else lies there; no weights: there is no index. Errors as above.
HfFiles find_hf_index(const std::filesystem::path& folder, const HfNames& names);

// Adds the index to the files, and notes where it says something else than they do. Error(kInput) where a tensor lies
// in two. `contents` has the files of weights first, in the order of `files`.
void add_hf_index(const HfFiles& files, Checkpoint::Contents& contents);

// Error(kInput) where the name says that the file is one of several ("model-00002-of-00005.safetensors").
void check_no_shard(const std::filesystem::path& path);

// One of the files of the tokenizer beside the weights, by its name; null: there is none.
const SourceFile* find_tokenizer_file(const Checkpoint& checkpoint, std::string_view name);

// Adds the configuration and tokenizer files that lie in the folder, and what config.json says. Error(kInput) where
// that is no JSON object.
void add_hf_companions(const std::filesystem::path& folder, Checkpoint::Contents& contents);

}  // namespace quern
