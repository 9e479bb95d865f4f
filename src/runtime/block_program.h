// A run of ops compiled for windows of one length: values numbered, buffers reused after the last op that reads them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/activation_store.h"
#include "runtime/prepared_op.h"
#include "runtime/walk_context.h"

namespace quern {

// Buffers of one thread at a time, kept between windows.
class Workspace {
 public:
  Matrix take(std::size_t rows, std::size_t cols);
  void give_back(Matrix buffer) { free_.push_back(std::move(buffer)); }

 private:
  std::vector<Matrix> free_;
};

class BlockProgram {
 public:
  // `ops` read the value `input` [up to length, width] and leave the value `result`.
  BlockProgram(const WalkContext& context, std::span<const Op> ops, const std::string& input, const std::string& result,
               std::size_t length, std::size_t width);

  std::size_t width() const noexcept { return widths_[result_]; }
  // One window on the calling thread. Safe from several threads with a workspace each.
  Matrix run(std::size_t window, Matrix input, Workspace& workspace, const InputHook& hook) const;

  // States of all ops before the first of at most `positions` tokens of a sequence.
  std::vector<OpState> begin(std::size_t positions) const;
  // The next tokens of a sequence, the first of which stands at `position`. Safe from several threads with states and a
  // workspace each.
  Matrix advance(std::size_t position, Matrix input, std::vector<OpState>& states, Workspace& workspace) const;

 private:
  struct Step {
    PreparedOp op;
    std::vector<std::size_t> inputs;    // values
    std::vector<std::size_t> retired;   // values that no later step reads
    const Weight* listened = nullptr;   // its input goes to the hook: the first weight of its group
    std::vector<const Weight*> within;  // of an op that routes its inputs: the weights whose inputs it reports itself
  };

  void find_retired();
  // Runs all steps; `chunk_of` says where each stands and hears its inputs.
  template <typename ChunkOf>
  Matrix execute(Matrix input, Workspace& workspace, ChunkOf chunk_of) const;

  std::vector<std::size_t> widths_;  // of value 0, the input, and of value i + 1, the output of step i
  std::vector<Step> steps_;
  std::size_t result_ = 0;
};

// Runs every window through the program, a window a task. A NaN or infinity in a result is Error(kInput) that names
// `place` and the first weight of `ops` that holds one.
void pass_windows(const WalkContext& context, const BlockProgram& program, const std::string& place,
                  std::span<const Op> ops, const ActivationStore& from, ActivationStore& to, const InputHook& hook);

// A weight's first row that holds a NaN or infinity, or its number of rows.
std::size_t first_bad_row(const Weights& weights, const Weight& weight);

}  // namespace quern
