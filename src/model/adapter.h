// A LoRA adapter of PEFT on disk: adapter_config.json and adapter_model.safetensors, or .bin.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace quern {

// What is added to one logical matrix W [outputs, inputs]: W + scale * B A. With a magnitude (DoRA) each row is then
// given that length.
struct LowRankUpdate {
  std::string module;          // "model.layers.0.self_attn.q_proj"
  std::string a, b;            // tensors of the adapter
  std::string magnitude = {};  // [outputs]; empty: LoRA
  bool of_embedding = false;   // b is [inputs, rank] and a [rank, outputs]: W + scale * (B A)^T
  std::uint64_t rank = 0, outputs = 0, inputs = 0;
  double scale = 1;
};

// A tensor that takes another's place (`modules_to_save`, trained biases).
struct ReplacedTensor {
  std::string name;    // of the base: "score.weight"
  std::string tensor;  // of the adapter
};

struct Adapter {
  std::filesystem::path folder;
  std::string base;      // that the configuration names; empty: none
  std::string identity;  // hashes of both files
  Checkpoint tensors;
  std::vector<LowRankUpdate> updates;
  std::vector<ReplacedTensor> replaced;
  // What the configuration promises: ends of the names of modules. A pattern promises nothing that can be counted.
  std::vector<std::string> targets = {}, saved = {};
  enum class Layers { kAll, kSome } layers = Layers::kAll;
};

// Error(kInput) where the folder holds no adapter, or one of a kind that cannot be merged: the message says which.
// Source: PEFT 0.19, peft/tuners/lora (config.py, layer.py, dora.py) and peft/utils/save_and_load.py.
Adapter read_adapter(const std::filesystem::path& folder);

// adapter_config.json by itself: fills in base, updates and replaced. REQUIRES: the adapter's tensors. Errors as above.
void read_adapter_config(std::string_view text, Adapter& adapter);

}  // namespace quern
