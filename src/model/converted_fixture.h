// For tests: the tiny models that llama.cpp's converter was run on, and what it wrote
// (testdata/model/conversions.json).
#pragma once

#include "format/formats.h"
#include "model/llama_fixture.h"

namespace quern {

inline constexpr const char* kConvertedModels[] = {"tiny-qwen3", "tiny-gpt2", "tiny-mamba", "tiny-mixtral"};

inline std::filesystem::path converted_folder(const std::string& name) {
  return std::filesystem::path(QUERN_TESTDATA) / "model" / name;
}

// One run of the converter: "keys" and "tensors".
inline const Json& conversion(const std::string& model, const std::string& type) {
  static const Json kConversions = parse_json(read_text(QUERN_TESTDATA "/model/conversions.json"));
  return kConversions.at(model).at(type);
}

// Configuration and shapes of a folder, to be changed before it is described.
inline FakeModel without_weights(const std::filesystem::path& folder) {
  const Checkpoint checkpoint = open_checkpoint(folder);
  FakeModel model{checkpoint.config(), {}, {}};
  for (const TensorEntry& entry : checkpoint.tensors()) model.shapes[entry.name] = entry.shape;
  return model;
}

}  // namespace quern
