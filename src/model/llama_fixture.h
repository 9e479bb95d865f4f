// For tests: checkpoints without weight files, from the golden configurations or from pairs of GGUF metadata.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

#include "base/file.h"
#include "model/model_spec.h"
#include "quern/error.h"

namespace quern {

using Shapes = std::map<std::string, Shape>;

inline const Json& golden() {
  static const Json kGolden = parse_json(read_text(QUERN_TESTDATA "/model/golden.json"));
  return kGolden;
}

struct FakeModel {
  Json config;        // null for a GGUF
  Metadata metadata;  // empty for a Hugging Face folder
  Shapes shapes;

  Checkpoint open() const {
    Checkpoint::Contents contents{config.is_null() ? "gguf" : "hf_safetensors", "some/model", {}, {}, config, metadata};
    for (const auto& [name, shape] : shapes) contents.tensors.push_back({name, shape, "bf16", {}});
    return Checkpoint(std::move(contents));
  }
};

// A model as transformers' save_pretrained writes it.
inline FakeModel golden_model(const std::string& name) {
  const Json& row = golden().at("models").at(name);
  FakeModel model{row.at("config"), {}, {}};
  for (const auto& [tensor, extents] : row.at("tensors").as_object()) {
    for (const Json& extent : extents.as_array()) model.shapes[tensor].push_back(extent.as_uint64());
  }
  return model;
}

// The same model under GGUF's names (by the gguf package) with the least metadata.
inline FakeModel golden_gguf(const std::string& name) {
  const FakeModel source = golden_model(name);
  FakeModel model;
  for (const auto& [tensor, shape] : source.shapes)
    model.shapes[golden().at("gguf_names").at(tensor).as_string()] = shape;
  model.metadata.set("general.architecture", "llama");
  const std::pair<const char*, const char*> keys[] = {{"llama.embedding_length", "hidden_size"},
                                                      {"llama.block_count", "num_hidden_layers"},
                                                      {"llama.attention.head_count", "num_attention_heads"},
                                                      {"llama.attention.head_count_kv", "num_key_value_heads"},
                                                      {"llama.feed_forward_length", "intermediate_size"},
                                                      {"llama.context_length", "max_position_embeddings"}};
  for (const auto& [to, from] : keys)
    model.metadata.set(to, static_cast<std::uint32_t>(source.config.at(from).as_uint64()));
  model.metadata.set("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  return model;
}

inline void expect_input_error(const std::function<void()>& call, const std::string& part,
                               ErrorCode code = ErrorCode::kInput) {
  try {
    call();
    ADD_FAILURE() << "accepted; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

// The ops of one kind in a block.
template <typename Kind>
std::vector<Kind> ops_of(const Block& block) {
  std::vector<Kind> found;
  for (const Op& op : block.ops) {
    if (const auto* kind = std::get_if<Kind>(&op.kind)) found.push_back(*kind);
  }
  return found;
}

}  // namespace quern
