// Tensors of a checkpoint that hold the same bytes.
#pragma once

#include <vector>

#include "checkpoint/checkpoint.h"

namespace quern {

struct DuplicateTensors {
  using Group = std::vector<const TensorEntry*>;  // of the checkpoint, which outlives this
  std::vector<Group> groups;                      // of equal tensors, two or more each, in the order of names
  Group unread;                                   // tensors that begin alike but were too large to compare to the end
};

// Compares only tensors of equal shape and encoding: their first bytes, then, where those agree, all of them; at most
// `byte_limit` are read for that. Weights that are drawn at random differ at once, so that little is read.
DuplicateTensors find_duplicates(const Checkpoint& checkpoint, std::uint64_t byte_limit);

}  // namespace quern
