// One file that torch.save or torch.jit.save wrote.
#pragma once

#include <filesystem>
#include <string>
#include <unordered_map>

#include "archive/state_dict.h"

namespace quern {

struct TorchFile {
  StateDict state;
  std::unordered_map<std::string, ByteRun> storages;  // by key
  StridedLayout::Order order = StridedLayout::Order::kLittleEndian;
};

// Whether the file is a ZIP archive with a data.pkl, or begins as files did before PyTorch 1.6.
bool is_torch_file(const std::filesystem::path& path);

// Error(kInput) when anything in it contradicts the rest. Tensors are not read.
TorchFile read_torch_file(const File& file);

// Of the two kinds.
bool is_legacy_torch_file(const File& file);
TorchFile read_legacy_torch_file(const File& file);
TorchFile read_torch_archive(const File& file);

}  // namespace quern
