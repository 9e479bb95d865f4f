// Values are numbered in the order in which they are made, so that a name may be made again (hidden = hidden + x).
#include "runtime/block_program.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "base/fail.h"
#include "kernel/elementwise.h"
#include "model/op_traits.h"
#include "runtime/prepare_op.h"

namespace quern {
namespace {

constexpr std::size_t kRowsPerScan = 64;

// Workspaces that no task holds right now; there are never more than threads.
class IdleWorkspaces {
 public:
  Workspace take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return {};
    Workspace workspace = std::move(idle_.back());
    idle_.pop_back();
    return workspace;
  }
  void give_back(Workspace workspace) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(workspace));
  }

 private:
  std::mutex mutex_;
  std::vector<Workspace> idle_;
};

[[noreturn]] void fail_non_finite(const WalkContext& context, const std::string& place, std::span<const Op> ops,
                                  std::size_t window) {
  for (const Op& op : ops)
    for (const std::size_t index : op.weights) {
      const Weight& weight = context.spec.weights[index];
      const std::size_t row = first_bad_row(context.weights, weight);
      if (row < weight.layout().rows)
        fail(ErrorCode::kInput,
             "{}: block {} gives values that are not finite: tensor {} holds a NaN or infinity in row {}",
             context.weights.name(), place, weight.tensor, row);
    }
  fail(ErrorCode::kInput,
       "{}: block {} gives values that are not finite in window {}: its weights are finite, the values overflowed",
       context.weights.name(), place, window);
}

}  // namespace

Matrix Workspace::take(std::size_t rows, std::size_t cols) {
  const auto fits = [&](const Matrix& m) { return m.rows() == rows && m.cols() == cols; };
  const auto found = std::find_if(free_.begin(), free_.end(), fits);
  if (found == free_.end()) return Matrix(rows, cols);
  Matrix buffer = std::move(*found);
  free_.erase(found);
  return buffer;
}

BlockProgram::BlockProgram(const WalkContext& context, std::span<const Op> ops, const std::string& input,
                           const std::string& result, std::size_t length, std::size_t width)
    : widths_{width} {
  std::map<std::string, std::size_t> numbers{{input, 0}};
  const auto number_of = [&](const std::string& name) {
    const auto found = numbers.find(name);
    ensure(found != numbers.end(), "the value {} is read before it is made", name);
    return found->second;
  };
  std::set<std::string> groups;
  for (const Op& op : ops) {
    Step step;
    std::vector<std::size_t> widths;
    for (const std::string& name : op.inputs) {
      step.inputs.push_back(number_of(name));
      widths.push_back(widths_[step.inputs.back()]);
    }
    step.op = prepare_op(context, op, length, widths);
    const Heard heard = heard_of(op);
    if (heard == Heard::kInput) {
      const Weight& weight = context.spec.weights[op.weights.at(0)];
      if (!weight.group.empty() && groups.insert(weight.group).second) step.listened = &weight;
    }
    if (heard == Heard::kRouted)
      for (const std::size_t index : op.weights) step.within.push_back(&context.spec.weights[index]);
    widths_.push_back(step.op.width);
    numbers[op.output] = steps_.size() + 1;
    steps_.push_back(std::move(step));
  }
  result_ = number_of(result);
  find_retired();
}

void BlockProgram::find_retired() {
  std::set<std::size_t> read_later{result_};
  for (std::size_t i = steps_.size(); i-- > 0;) {
    Step& step = steps_[i];
    if (!read_later.contains(i + 1)) step.retired.push_back(i + 1);  // nobody reads the output
    for (const std::size_t value : step.inputs)
      if (read_later.insert(value).second) step.retired.push_back(value);
  }
}

template <typename ChunkOf>
Matrix BlockProgram::execute(Matrix input, Workspace& workspace, ChunkOf chunk_of) const {
  std::vector<Matrix> values(steps_.size() + 1);
  const std::size_t rows = input.rows();
  values[0] = std::move(input);
  std::vector<MatrixView> inputs;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    inputs.clear();
    for (const std::size_t value : step.inputs) inputs.push_back(std::as_const(values[value]).view());
    const Chunk chunk = chunk_of(i, inputs);
    values[i + 1] = workspace.take(rows, step.op.width);
    step.op.execute(inputs, values[i + 1].view(), chunk);
    for (const std::size_t value : step.retired) workspace.give_back(std::move(values[value]));
  }
  return std::move(values[result_]);
}

Matrix BlockProgram::run(std::size_t window, Matrix input, Workspace& workspace, const InputHook& hook) const {
  RoutedHook routed;
  return execute(std::move(input), workspace, [&](std::size_t i, const std::vector<MatrixView>& inputs) {
    const Step& step = steps_[i];
    if (!hook) return Chunk{};
    if (step.listened) hook(*step.listened, 0, window, inputs[0]);
    if (step.within.empty()) return Chunk{};
    routed = [&hook, &step, window](std::size_t weight, std::size_t expert, MatrixView rows_of_expert) {
      hook(*step.within.at(weight), expert, window, rows_of_expert);
    };
    return Chunk{.routed = &routed};
  });
}

std::vector<OpState> BlockProgram::begin(std::size_t positions) const {
  std::vector<OpState> states;
  for (const Step& step : steps_) states.push_back(step.op.begin ? step.op.begin(positions) : OpState{});
  return states;
}

Matrix BlockProgram::advance(std::size_t position, Matrix input, std::vector<OpState>& states,
                             Workspace& workspace) const {
  ensure(states.size() == steps_.size(), "{} states for {} ops", states.size(), steps_.size());
  return execute(std::move(input), workspace, [&](std::size_t i, const std::vector<MatrixView>&) {
    return Chunk{.position = position, .state = steps_[i].op.begin ? &states[i] : nullptr};
  });
}

void pass_windows(const WalkContext& context, const BlockProgram& program, const std::string& place,
                  std::span<const Op> ops, const ActivationStore& from, ActivationStore& to, const InputHook& hook) {
  ensure(program.width() == to.width() && from.windows() == to.windows() && from.length() == to.length(),
         "block {} makes {} columns; there is room for {}", place, program.width(), to.width());
  IdleWorkspaces workspaces;
  std::vector<char> bad(from.windows(), 0);
  context.pool.run(from.windows(), [&](std::size_t window) {
    Workspace workspace = workspaces.take();
    Matrix input = workspace.take(from.length(), from.width());
    from.load(window, input.view());
    Matrix output = program.run(window, std::move(input), workspace, hook);
    bad[window] = !all_finite(output.flat());
    to.save(window, output.view());
    workspace.give_back(std::move(output));
    workspaces.give_back(std::move(workspace));
  });
  const auto first = std::find(bad.begin(), bad.end(), 1);
  if (first != bad.end()) fail_non_finite(context, place, ops, static_cast<std::size_t>(first - bad.begin()));
}

std::size_t first_bad_row(const Weights& weights, const Weight& weight) {
  const RowLayout layout = weight.layout();
  if (weight.storage == Weight::Storage::kTransposed) {
    const Matrix whole = weights.read(weight);
    for (std::size_t i = 0; i < whole.rows(); ++i)
      if (!all_finite(whole.row(i))) return i;
    return layout.rows;
  }
  Matrix rows(std::min<std::uint64_t>(kRowsPerScan, layout.rows), layout.cols);
  for (std::size_t first = 0; first < layout.rows; first += rows.rows()) {
    const std::size_t count = std::min<std::uint64_t>(rows.rows(), layout.rows - first);
    weights.read_rows(weight, first, {rows.flat().data(), count, rows.cols(), rows.cols()});
    for (std::size_t i = 0; i < count; ++i)
      if (!all_finite(rows.row(i))) return first + i;
  }
  return layout.rows;
}

}  // namespace quern
