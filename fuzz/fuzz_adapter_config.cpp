// Arbitrary bytes as adapter_config.json beside a small table of tensors: refused, or updates with a finite number of
// rows and columns that the table gives them.
#include <cstddef>
#include <cstdint>

#include "memory_file.h"
#include "model/adapter.h"
#include "quern/error.h"

using namespace quern;

namespace {

// Two modules of rank 8, one of them with a magnitude, and a bias that takes another's place.
Adapter adapter_in(const MemoryFile& memory) {
  struct Row {
    const char* name;
    Shape shape;
  };
  const Row rows[] = {{"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", {8, 16}},
                      {"base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight", {12, 8}},
                      {"base_model.model.model.layers.0.mlp.up_proj.lora_A.default.weight", {8, 16}},
                      {"base_model.model.model.layers.0.mlp.up_proj.lora_B.default.weight", {12, 8}},
                      {"base_model.model.model.layers.0.mlp.up_proj.lora_magnitude_vector", {12}},
                      {"base_model.model.score.modules_to_save.bias", {12}}};
  Checkpoint::Contents contents{"safetensors", memory.path(), {}, {}, {}, {}};
  contents.files.push_back({memory.path(), 1, SourceFile::Role::kWeights});
  for (const Row& row : rows) contents.tensors.push_back({row.name, row.shape, "f32", {}});
  return {{}, {}, {}, Checkpoint(std::move(contents)), {}, {}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::uint8_t nothing[1] = {};
  const MemoryFile memory(nothing, 1);
  Adapter adapter = adapter_in(memory);
  try {
    read_adapter_config({reinterpret_cast<const char*>(data), size}, adapter);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInput) throw;
    return 0;
  }
  for (const LowRankUpdate& update : adapter.updates)
    if (update.rank != 8 || update.outputs != 12 || update.inputs != 16) __builtin_trap();
  return 0;
}
