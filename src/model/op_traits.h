// What is known of an operation without running it. Each kind has one row in op_traits.cpp; nobody else asks for kinds
// but the executors of src/runtime/prepare_op.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/json.h"
#include "model/model_spec.h"

namespace quern {

// An op where it stands in a block: what its row is asked with.
struct OpSite {
  const ModelSpec& spec;
  const Op& op;
  std::vector<std::uint64_t> widths;  // columns of its inputs; "ids" has 1

  const Weight& weight(std::size_t i) const { return spec.weights[op.weights.at(i)]; }
};

// "rms_norm", and the members of the kind itself: what JSON shows of it.
Json::Object kind_fields(const Op& op);

// Columns of the output.
std::uint64_t output_width(const OpSite& site);

// Numbers that are kept of one sequence.
struct StateSize {
  std::uint64_t keys_and_values = 0, recurrent = 0;

  std::uint64_t total() const noexcept { return keys_and_values + recurrent; }
};
// Of a sequence with room for `positions` tokens: as many as a PreparedOp allocates.
StateSize state_size(const OpSite& site, std::uint64_t positions);

// Positions whose keys and values an attention keeps of `positions`: all, or its window and kPositionsAhead more, so
// that the window slides on by moving rows once in so many tokens.
inline constexpr std::uint64_t kPositionsAhead = 64;
std::uint64_t kept_positions(const AttentionOp& attention, std::uint64_t positions);

// Whether it is made from token ids, and not from values.
bool takes_tokens(const Op& op);

// Whether a model with such an op is made for a number of positions: it looks back at them one by one, or has a row for
// each. States alone have no length.
bool is_bound_to_positions(const Op& op);

// Numbers that executing it takes for each token beside inputs and output, at most.
std::uint64_t scratch_width(const OpSite& site);

// Multiply-adds of its products for a sequence of `tokens` tokens from the first on; element by element: none.
std::uint64_t multiply_adds(const OpSite& site, std::uint64_t tokens);

// The part of its weights that one token reads: `of` in `in`. Of a table of rows: nothing to speak of, 0.
struct Share {
  std::uint64_t of = 1, in = 1;
};
Share weights_read(const Op& op);

// Which inputs of products statistics hear.
enum class Heard {
  kNothing,
  kInput,   // weights[0] multiplies inputs[0]
  kRouted,  // the op sends rows to matrices of its own choice, and reports them for each of its weights
};
Heard heard_of(const Op& op);

// The weight that says how a state decays.
struct DecayWeight {
  std::size_t weight = 0;  // counts the op's weights
  SelectiveScanOp::Decay form = SelectiveScanOp::Decay::kLog;
};
std::optional<DecayWeight> decay_of(const Op& op);

// A run of one axis of something that an op reads or makes, in units that stay together: heads of head_dim columns.
struct AxisRun {
  enum class Of { kInput, kOutput, kWeight };

  Of of = Of::kInput;
  std::size_t index = 0;  // counts the op's inputs or weights
  std::size_t axis = 0;   // of a weight; values have their columns alone
  std::uint64_t unit = 1;
  std::uint64_t first = 0;
  std::optional<std::uint64_t> count;  // absent: to the end

  std::uint64_t extent(const OpSite& site) const;  // of the whole axis
  std::uint64_t units(const OpSite& site) const;   // of the run
};
// Runs that have the same number of units, whatever that is: who takes a unit out of one takes it out of all.
using BoundAxes = std::vector<AxisRun>;
std::vector<BoundAxes> bound_axes(const OpSite& site);

}  // namespace quern
