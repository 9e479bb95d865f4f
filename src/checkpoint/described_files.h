// The files of a model by name, for messages: whichever of them is wrong, it is among those named.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace quern {

// Those of the role: "model/model.safetensors", of several "model: vocab.json and merges.txt", of many the first few
// and how many more; `path` alone where there is none.
std::string described_files(const std::filesystem::path& path, const std::vector<SourceFile>& files,
                            SourceFile::Role role);

// The configuration, the index of shards and the weights: what a model is described from.
std::string described_model(const std::filesystem::path& path, const std::vector<SourceFile>& files);

}  // namespace quern
