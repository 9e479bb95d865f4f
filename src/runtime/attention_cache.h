// Keys and values of one sequence. A sliding window lets go of what no later token sees.
#pragma once

#include "model/model_spec.h"
#include "runtime/prepared_op.h"

namespace quern {

// Room for kept_positions() rows.
OpState begin_attention(const AttentionOp& attention, std::size_t positions);

struct KeysAndValues {
  MatrixView keys, values;
};

// Appends the rows of the tokens from `position` on and shows them behind all before that the first of them sees, or
// more. REQUIRES: of an attention with a window at most kPositionsAhead rows at a time.
KeysAndValues append_attention(const AttentionOp& attention, OpState& state, std::size_t position, MatrixView keys,
                               MatrixView values);

}  // namespace quern
