// Tokens are gathered expert by expert, so that each chosen expert is one small matrix product and no other is
// computed.
#include "runtime/expert_op.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include "kernel/elementwise.h"
#include "quern/error.h"

namespace quern {
namespace {

// Rows of a product are padded to a multiple of this: a product of every number of rows would be compiled on its own.
constexpr std::size_t kRowStep = 16;

struct Expert {
  std::vector<Linear> up;  // gate and up, or both in one
  std::optional<Linear> down;
};

struct Assignment {
  std::vector<std::uint32_t> tokens;
  std::vector<float> shares;
};

class ExpertBank {
 public:
  ExpertBank(const WalkContext& context, const ExpertsOp& experts, const Op& op) : used_(experts.used) {
    const std::size_t matrices = op.weights.size();
    ensure(matrices == 2 || matrices == 3, "experts with {} weights", matrices);
    for (std::uint32_t e = 0; e < experts.experts; ++e) {
      Expert expert;
      for (std::size_t m = 0; m + 1 < matrices; ++m) expert.up.push_back(linear_of(context, op.weights[m], e));
      expert.down.emplace(linear_of(context, op.weights.back(), e));
      experts_.push_back(std::move(expert));
    }
    inner_ = experts_.front().down->inputs();
  }

  std::size_t width() const { return experts_.front().down->outputs(); }

  void run(MatrixView x, MatrixView router, MutableMatrixView out, const Chunk& chunk) const {
    std::vector<Assignment> assignments(experts_.size());
    for (std::size_t t = 0; t < x.rows; ++t) {
      const Routing routing = route(router.row(t), used_);
      for (std::size_t i = 0; i < used_; ++i) {
        assignments[routing.experts[i]].tokens.push_back(static_cast<std::uint32_t>(t));
        assignments[routing.experts[i]].shares.push_back(routing.shares[i]);
      }
    }
    for (std::size_t t = 0; t < out.rows; ++t) std::ranges::fill(out.row(t), 0.0f);
    for (std::size_t e = 0; e < experts_.size(); ++e) apply(e, assignments[e], x, out, chunk);
  }

 private:
  static Linear linear_of(const WalkContext& context, std::size_t index, std::size_t expert) {
    const Weight& weight = context.spec.weights[index];
    const std::size_t rows = weight.layout().rows / weight.experts();
    return Linear(decode_rows(context, weight, expert * rows, rows).view(), context.precision);
  }

  // silu(gate) * up of the gathered rows.
  Matrix gated(const Expert& expert, const Matrix& gathered) const {
    Matrix inner(gathered.rows(), inner_);
    if (expert.up.size() == 2) {
      Matrix gate(gathered.rows(), inner_), up(gathered.rows(), inner_);
      expert.up[0].apply(gathered.view(), gate.view());
      expert.up[1].apply(gathered.view(), up.view());
      silu_mul(gate.flat(), up.flat(), inner.flat());
      return inner;
    }
    Matrix both(gathered.rows(), 2 * inner_);
    expert.up[0].apply(gathered.view(), both.view());
    for (std::size_t i = 0; i < both.rows(); ++i)
      silu_mul(both.row(i).first(inner_), both.row(i).subspan(inner_), inner.row(i));
    return inner;
  }

  void apply(std::size_t e, const Assignment& chosen, MatrixView x, MutableMatrixView out, const Chunk& chunk) const {
    const std::size_t count = chosen.tokens.size();
    Matrix gathered(x.rows == 1 ? count : (count + kRowStep - 1) / kRowStep * kRowStep, x.cols);
    for (std::size_t i = 0; i < count; ++i) std::ranges::copy(x.row(chosen.tokens[i]), gathered.row(i).begin());
    report(chunk, 0, e, gathered, count);
    if (count == 0) return report(chunk, experts_[e].up.size(), e, Matrix(0, inner_), 0);
    const Matrix inner = gated(experts_[e], gathered);
    report(chunk, experts_[e].up.size(), e, inner, count);
    Matrix result(inner.rows(), out.cols);
    experts_[e].down->apply(inner.view(), result.view());
    for (std::size_t i = 0; i < count; ++i) {
      const std::span<float> to = out.row(chosen.tokens[i]);
      const std::span<const float> from = std::as_const(result).row(i);
      for (std::size_t c = 0; c < to.size(); ++c) to[c] += chosen.shares[i] * from[c];
    }
  }

  static void report(const Chunk& chunk, std::size_t weight, std::size_t expert, const Matrix& rows,
                     std::size_t count) {
    if (chunk.routed) (*chunk.routed)(weight, expert, {rows.view().data, count, rows.cols(), rows.cols()});
  }

  std::size_t used_, inner_ = 0;
  std::vector<Expert> experts_;
};

}  // namespace

Routing route(std::span<const float> logits, std::size_t used) {
  Routing routing;
  routing.experts.resize(logits.size());
  std::iota(routing.experts.begin(), routing.experts.end(), 0u);
  // A NaN counts as the least; where it is chosen all the same, its shares make the block's result a NaN.
  const auto key = [&](std::uint32_t e) {
    return std::isnan(logits[e]) ? -std::numeric_limits<float>::infinity() : logits[e];
  };
  std::ranges::stable_sort(routing.experts, std::ranges::greater{}, key);
  routing.experts.resize(used);
  float sum = 0;
  for (const std::uint32_t e : routing.experts) {
    routing.shares.push_back(std::exp(logits[e] - logits[routing.experts.front()]));
    sum += routing.shares.back();
  }
  for (float& share : routing.shares) share /= sum;
  return routing;
}

PreparedOp prepare_experts(const WalkContext& context, const ExpertsOp& experts, const Op& op,
                           std::span<const std::size_t> widths) {
  ensure(widths.size() == 2 && widths[1] == experts.experts && experts.used > 0 && experts.used <= experts.experts,
         "{} experts of which {} are used, with {} router logits", experts.experts, experts.used,
         widths.empty() ? 0 : widths.back());
  auto bank = std::make_shared<const ExpertBank>(context, experts, op);
  const std::size_t width = bank->width();
  return {width, [bank = std::move(bank)](std::span<const MatrixView> inputs, MutableMatrixView out,
                                          const Chunk& chunk) { bank->run(inputs[0], inputs[1], out, chunk); }};
}

}  // namespace quern
