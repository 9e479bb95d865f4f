// `quern inspect`: what a checkpoint is and what it holds, without reading a weight.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "quern/checkpoint.h"
#include "quern/model_spec.h"

namespace quern {

struct TensorSums {
  std::uint64_t tensors = 0, elements = 0, bytes = 0;
};

struct Inspection {
  std::string path, format;
  std::uint64_t file_bytes = 0;
  std::vector<SourceFile> files;
  std::map<std::string, TensorSums> by_encoding, by_role;  // by_role is empty when no architecture recognises the model
  std::optional<ModelSpec> spec;
  std::string why_unknown;  // what describe_model said
  std::vector<TensorEntry> tensors;
  TensorSums total;
};

Inspection inspect(const std::filesystem::path& path);
Json to_json(const Inspection& inspection);
// For a terminal. kTensors lists every tensor.
enum class InspectDetail { kSummary, kTensors };
std::string describe(const Inspection& inspection, InspectDetail detail);

}  // namespace quern
