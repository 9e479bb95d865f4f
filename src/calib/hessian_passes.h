// Which Hessians a model has, and how many of a block are summed in one pass over it.
#pragma once

#include <string>
#include <vector>

#include "model/model_spec.h"

namespace quern {

// The matrices of a block that multiply the same input. Of a mixture each expert has an input of its own.
struct InputGroup {
  std::string name;
  std::uint64_t columns = 0;
  std::uint64_t experts = 1;
  std::uint64_t used = 1;  // experts that a token passes
};

// In the order of the block's operations.
std::vector<InputGroup> input_groups(const ModelSpec& spec, const Block& block);

// One Hessian: that of a group, or of one of its experts.
struct HessianSlot {
  InputGroup group;
  std::size_t expert = 0;
};

// How rows are gathered before they are multiplied.
struct GatherShape {
  std::size_t window_length = 0, hidden = 0;  // rows and columns of a window's hidden states
  unsigned threads = 1;

  // Windows whose rows are multiplied together: a constant, so that sums do not depend on threads and memory.
  std::size_t windows_per_chunk() const;
  // Windows that pass through the block before their rows are multiplied: whole chunks, and a window for each thread.
  std::size_t windows_per_gather() const;
};

GatherShape gather_shape(const ModelSpec& spec, std::size_t window_length, unsigned threads);

// Memory for summing these in one pass, beside what the walk takes anyway: the sums, the rows of a gather with its
// hidden states, and the factors and results of products.
std::uint64_t pass_bytes(const std::vector<HessianSlot>& slots, const GatherShape& shape);

// The slots in their order, as many a pass as `limit` bytes allow. Error(kResource) with both figures when one alone
// takes more.
std::vector<std::vector<HessianSlot>> split_passes(const std::vector<HessianSlot>& slots, const GatherShape& shape,
                                                   std::uint64_t limit);

// For a promise about memory: what the block with the most takes in one pass, and the least that a limit may be (then
// some blocks take a pass a Hessian).
struct HessianBytes {
  std::uint64_t one_pass = 0, least = 0;
};
HessianBytes hessian_bytes(const ModelSpec& spec, const GatherShape& shape);

}  // namespace quern
