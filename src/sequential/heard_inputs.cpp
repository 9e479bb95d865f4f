// A few windows at a time pass through the block of both; their rows are multiplied before the next follow.
#include "sequential/heard_inputs.h"

#include <algorithm>
#include <optional>

#include "calib/hessian_sums.h"
#include "kernel/column_product.h"
#include "runtime/block_program.h"
#include "runtime/head.h"

namespace quern {
namespace {

constexpr const char* kHidden = "hidden";
constexpr std::size_t kWindowsAtOnce = 8;

using Rows = std::vector<Matrix>;  // by window

// Sums of a^T b over rows: no triangle of it says the rest.
class CrossSum {
 public:
  explicit CrossSum(std::size_t columns) : columns_(columns), sums_(columns * columns) {}

  void add(const Rows& a, const Rows& b, const WalkContext& context) {
    const std::vector<ColumnPanel> as = panels(a, context.precision), bs = panels(b, context.precision);
    context.pool.run(as.size() * bs.size(), [&](std::size_t t) {
      const std::size_t i = t / bs.size(), j = t % bs.size();
      Matrix product(as[i].columns(), bs[j].columns());
      multiply_columns(as[i], bs[j], product.view());
      for (std::size_t r = 0; r < product.rows(); ++r)
        for (std::size_t c = 0; c < product.cols(); ++c)
          sums_[(i * kPanel + r) * columns_ + j * kPanel + c] += product.row(r)[c];
    });
    for (const Matrix& window : a) rows_ += static_cast<double>(window.rows());
  }
  std::vector<double> mean() const {
    std::vector<double> all = sums_;
    for (double& value : all) value /= rows_;
    return all;
  }

 private:
  static constexpr std::size_t kPanel = 512;

  std::vector<ColumnPanel> panels(const Rows& windows, Precision precision) const {
    std::size_t rows = 0;
    for (const Matrix& window : windows) rows += window.rows();
    std::vector<ColumnPanel> all;
    for (std::size_t first = 0; first < columns_; first += kPanel) {
      ColumnPanel& panel = all.emplace_back(rows, std::min(kPanel, columns_ - first), precision);
      std::size_t t = 0;
      for (const Matrix& window : windows)
        for (std::size_t r = 0; r < window.rows(); ++r, ++t)
          panel.set_row(t, window.row(r).subspan(first, panel.columns()));
    }
    return all;
  }

  std::size_t columns_;
  double rows_ = 0;
  std::vector<double> sums_;
};

class BlockListener {
 public:
  BlockListener(std::size_t block, const std::vector<InputGroup>& groups, const TextWalk& walk)
      : walk_(walk), block_(walk.context.spec.blocks[block]), ops_(ops_up_to(groups)) {
    if (block + 1 < walk.context.spec.blocks.size())
      program_.emplace(walk.context, ops_, kHidden, kHidden, walk.hidden.length(), walk.hidden.width());
  }

  std::map<std::string, Rows> rows(const std::vector<InputGroup>& groups, std::size_t first, std::size_t count) const {
    std::map<std::string, Rows> all;
    for (const InputGroup& group : groups) all[group.name].resize(count);
    const InputHook hook = [&](const Weight& weight, std::size_t, std::size_t window, MatrixView input) {
      const auto found = all.find(weight.group);
      if (found == all.end()) return;
      Matrix copy(input.rows, input.cols);
      for (std::size_t t = 0; t < input.rows; ++t) std::ranges::copy(input.row(t), copy.row(t).begin());
      found->second[window] = std::move(copy);
    };
    ActivationStore part(count, walk_.hidden.length(), walk_.hidden.width(), UINT64_MAX);
    Matrix window(walk_.hidden.length(), walk_.hidden.width());
    for (std::size_t w = 0; w < count; ++w) {
      walk_.hidden.load(first + w, window.view());
      part.save(w, window.view());
    }
    if (program_)
      pass_windows(walk_.context, *program_, block_.name, ops_, part, part, hook);
    else
      run_head_norm(walk_.context, part, hook);
    return all;
  }

 private:
  // A group is heard at the first op that reads it.
  std::span<const Op> ops_up_to(const std::vector<InputGroup>& groups) const {
    std::size_t end = 0;
    for (const InputGroup& group : groups) {
      const auto reads = [&](const Op& op) {
        return std::ranges::any_of(op.weights,
                                   [&](std::size_t w) { return walk_.context.spec.weights[w].group == group.name; });
      };
      const auto first = std::ranges::find_if(block_.ops, reads);
      end = std::max(end, static_cast<std::size_t>(first - block_.ops.begin()) + 1);
    }
    return std::span(block_.ops).first(end);
  }

  const TextWalk& walk_;
  const Block& block_;
  std::span<const Op> ops_;
  std::optional<BlockProgram> program_;  // none: the head
};

Hessian mean_of(const HessianSum& sum) {
  Hessian hessian{sum.columns(), sum.tokens(), std::vector<float>(Hessian::elements(sum.columns()))};
  for (std::size_t i = 0; i < hessian.columns; ++i)
    sum.mean_row(i, std::span(hessian.upper).subspan(Hessian::row_begin(i, hessian.columns), hessian.columns - i));
  return hessian;
}

}  // namespace

std::uint64_t heard_bytes(std::uint64_t columns, std::size_t window_length) {
  // In double: H and C while they are summed, then both as a system of equations.
  constexpr std::uint64_t kSquares = 4;
  constexpr std::uint64_t kCopies = 4;  // of the rows of a pass: those of both models, and as panels
  return kSquares * columns * columns * sizeof(double) +
         kCopies * kWindowsAtOnce * window_length * columns * sizeof(float);
}

std::map<std::string, HeardInputs> heard_inputs(std::size_t block, const std::vector<InputGroup>& groups,
                                                const TextWalk& walk, const TextWalk* original) {
  const BlockListener ours(block, groups, walk);
  std::optional<BlockListener> theirs;
  if (original) theirs.emplace(block, groups, *original);
  std::map<std::string, HessianSum> sums;
  std::map<std::string, CrossSum> crosses;
  for (const InputGroup& group : groups) {
    sums.emplace(group.name, group.columns);
    if (original) crosses.emplace(group.name, group.columns);
  }
  for (std::size_t first = 0; first < walk.hidden.windows(); first += kWindowsAtOnce) {
    const std::size_t count = std::min(kWindowsAtOnce, walk.hidden.windows() - first);
    const std::map<std::string, Rows> rows = ours.rows(groups, first, count);
    for (auto& [name, sum] : sums) sum.add(rows.at(name), walk.context.precision, walk.context.pool);
    if (!theirs) continue;
    const std::map<std::string, Rows> originals = theirs->rows(groups, first, count);
    for (auto& [name, cross] : crosses) cross.add(originals.at(name), rows.at(name), walk.context);
  }
  std::map<std::string, HeardInputs> all;
  for (const auto& [name, sum] : sums)
    all[name] = {mean_of(sum), original ? crosses.at(name).mean() : std::vector<double>()};
  return all;
}

}  // namespace quern
