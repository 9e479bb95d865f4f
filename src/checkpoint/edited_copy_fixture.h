// For tests: checkpoints made of a few tensors, and copies of a model with one thing changed.
#pragma once

#include <cstring>
#include <functional>
#include <map>

#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"

namespace quern {

struct RawTensor {
  Shape shape;
  std::string encoding;
  std::vector<std::byte> bytes;
};
using RawTensors = std::map<std::string, RawTensor>;

inline RawTensor floats_tensor(Shape shape, const std::vector<float>& values) {
  RawTensor tensor{std::move(shape), kFloat32, std::vector<std::byte>(values.size() * sizeof(float))};
  if (!values.empty()) std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

struct RawModel {
  std::string format = "safetensors";
  RawTensors tensors;
  Json config;
  Metadata metadata;
};

// Of codecs with one plane.
inline RawModel raw_model(const std::filesystem::path& path) {
  const Checkpoint checkpoint = open_checkpoint(path);
  RawModel model{checkpoint.format(), {}, checkpoint.config(), {}};
  if (model.format == "gguf") model.metadata = checkpoint.metadata();
  for (const TensorEntry& entry : checkpoint.tensors())
    model.tensors[entry.name] = {entry.shape, entry.encoding, read_part(checkpoint, entry.name)};
  return model;
}

inline void write_raw(const RawModel& model, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  CheckpointHead head;
  head.metadata = model.metadata;
  head.config = model.config;
  for (const auto& [name, tensor] : model.tensors)
    head.tensors.push_back({name, tensor.shape, tensor.encoding, {tensor.bytes.size()}});
  const auto writer = find_format(model.format).create(folder, head);
  std::size_t index = 0;
  for (const auto& [name, tensor] : model.tensors) writer->write(index++, 0, 0, tensor.bytes);
  writer->finish();
}

// Sets one number of an f32 tensor.
inline void set_float(RawModel& model, const std::string& tensor, std::size_t index, float value) {
  RawTensor& raw = model.tensors.at(tensor);
  ASSERT_EQ(raw.encoding, kFloat32) << tensor;
  std::memcpy(raw.bytes.data() + index * sizeof(float), &value, sizeof(float));
}

}  // namespace quern
