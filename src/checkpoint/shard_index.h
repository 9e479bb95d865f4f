// What an index of shards says, held against the shards.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace quern {

// Every tensor lies in one shard: Error(kInput) otherwise. The shards decide what the model is; where the index says
// something else (a tensor that no shard holds, one that it omits or has in another shard), that is a sentence for
// people.
// REQUIRES: `shards` are the files that the first part of each tensor counts from, and `weight_map` names them alone.
std::vector<std::string> check_index(const std::filesystem::path& index, const Json& weight_map,
                                     const std::vector<std::filesystem::path>& shards,
                                     const std::vector<TensorEntry>& tensors);

}  // namespace quern
