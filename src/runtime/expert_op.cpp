// Tokens are gathered expert by expert, so that each chosen expert is one small matrix product and no other is
// computed.
#include "runtime/expert_op.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include "base/fail.h"
#include "kernel/elementwise.h"
#include "runtime/decode_weight.h"
#include "runtime/packed_linear.h"

namespace quern {
namespace {

// Rows of a product are padded to a multiple of this: a product of every number of rows would be compiled on its own.
constexpr std::size_t kRowStep = 16;

// One matrix of one expert, in either form.
struct Product {
  std::size_t inputs = 0, outputs = 0;
  std::function<void(MatrixView x, MutableMatrixView y)> apply;
};

Product dense_product(const WalkContext& context, const Weight& weight, std::size_t expert) {
  const std::size_t rows = weight.layout().rows / weight.experts();
  auto linear =
      std::make_shared<const Linear>(decode_rows(context, weight, expert * rows, rows).view(), context.precision);
  return {linear->inputs(), rows,
          [linear = std::move(linear)](MatrixView x, MutableMatrixView y) { linear->apply(x, y); }};
}

Product packed_product(std::shared_ptr<const PackedLinear> all, const Weight& weight, std::size_t expert) {
  const std::size_t rows = weight.layout().rows / weight.experts();
  return {weight.layout().cols, rows, [all = std::move(all), first = expert * rows](MatrixView x, MutableMatrixView y) {
            all->apply(x, first, y);
          }};
}

// A weight's matrices, expert by expert.
std::vector<Product> products_of(const WalkContext& context, const Weight& weight) {
  std::vector<Product> products;
  std::shared_ptr<const PackedLinear> packed;
  if (context.form == WeightForm::kPacked) packed = std::make_shared<const PackedLinear>(context, weight);
  for (std::size_t e = 0; e < weight.experts(); ++e)
    products.push_back(packed ? packed_product(packed, weight, e) : dense_product(context, weight, e));
  return products;
}

struct Assignment {
  std::vector<std::uint32_t> tokens;
  std::vector<float> shares;
};

class ExpertBank {
 public:
  ExpertBank(const WalkContext& context, const ExpertsOp& experts, const Op& op)
      : used_(experts.used), row_step_(context.form == WeightForm::kPacked ? 1 : kRowStep), form_(experts.inner) {
    const bool gated = form_ == ExpertsOp::Inner::kGated;
    ensure(op.weights.size() == 2 || (gated && op.weights.size() == 3), "experts with {} weights", op.weights.size());
    for (const std::size_t index : op.weights) {
      matrices_.push_back(products_of(context, context.spec.weights[index]));
      ensure(matrices_.back().size() == experts.experts, "{} of {} experts in {}", matrices_.back().size(),
             experts.experts, context.spec.weights[index].tensor);
    }
    inner_ = matrices_.back().front().inputs;
  }

  std::size_t width() const { return matrices_.back().front().outputs; }

  void run(MatrixView x, MatrixView router, MutableMatrixView out, const Chunk& chunk) const {
    std::vector<Assignment> assignments(matrices_.back().size());
    for (std::size_t t = 0; t < x.rows; ++t) {
      const Routing routing = route(router.row(t), used_);
      for (std::size_t i = 0; i < used_; ++i) {
        assignments[routing.experts[i]].tokens.push_back(static_cast<std::uint32_t>(t));
        assignments[routing.experts[i]].shares.push_back(routing.shares[i]);
      }
    }
    for (std::size_t t = 0; t < out.rows; ++t) std::ranges::fill(out.row(t), 0.0f);
    for (std::size_t e = 0; e < assignments.size(); ++e) apply(e, assignments[e], x, out, chunk);
  }

 private:
  // What the gathered rows give to the matrix down.
  Matrix inner_of(std::size_t e, const Matrix& gathered) const {
    Matrix inner(gathered.rows(), inner_);
    if (form_ == ExpertsOp::Inner::kGelu) {
      matrices_[0][e].apply(gathered.view(), inner.view());
      gelu_exact(inner.flat(), inner.flat());
      return inner;
    }
    if (matrices_.size() == 3) {
      Matrix gate(gathered.rows(), inner_), up(gathered.rows(), inner_);
      matrices_[0][e].apply(gathered.view(), gate.view());
      matrices_[1][e].apply(gathered.view(), up.view());
      silu_mul(gate.flat(), up.flat(), inner.flat());
      return inner;
    }
    Matrix both(gathered.rows(), 2 * inner_);
    matrices_[0][e].apply(gathered.view(), both.view());
    for (std::size_t i = 0; i < both.rows(); ++i)
      silu_mul(both.row(i).first(inner_), both.row(i).subspan(inner_), inner.row(i));
    return inner;
  }

  void apply(std::size_t e, const Assignment& chosen, MatrixView x, MutableMatrixView out, const Chunk& chunk) const {
    const std::size_t count = chosen.tokens.size();
    Matrix gathered((count + row_step_ - 1) / row_step_ * row_step_, x.cols);
    for (std::size_t i = 0; i < count; ++i) std::ranges::copy(x.row(chosen.tokens[i]), gathered.row(i).begin());
    report(chunk, 0, e, gathered, count);
    if (count == 0) return report(chunk, matrices_.size() - 1, e, Matrix(0, inner_), 0);
    const Matrix inner = inner_of(e, gathered);
    report(chunk, matrices_.size() - 1, e, inner, count);
    Matrix result(inner.rows(), out.cols);
    matrices_.back()[e].apply(inner.view(), result.view());
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

  std::size_t used_, row_step_, inner_ = 0;
  ExpertsOp::Inner form_;
  std::vector<std::vector<Product>> matrices_;  // [gate, up, down], [gate and up, down] or [up, down], then by expert
};

}  // namespace

Routing route(std::span<const float> logits, std::size_t used) {
  Routing routing;
  routing.experts.resize(logits.size());
  std::iota(routing.experts.begin(), routing.experts.end(), 0u);
  // A NaN counts as the least.
  const auto key = [&](std::uint32_t e) {
    return std::isnan(logits[e]) ? -std::numeric_limits<float>::infinity() : logits[e];
  };
  std::sort(routing.experts.begin(), routing.experts.end(),
            [&](std::uint32_t a, std::uint32_t b) { return key(a) != key(b) ? key(a) > key(b) : a < b; });
  routing.experts.resize(used);
  float sum = 0;
  for (const std::uint32_t e : routing.experts) {
    routing.shares.push_back(std::exp(logits[e] - logits[routing.experts.front()]));
    sum += routing.shares.back();
  }
  // A NaN makes the block's result a NaN even where its expert was not chosen, so that it is reported.
  const bool broken = std::ranges::any_of(logits, [](float logit) { return std::isnan(logit); });
  for (float& share : routing.shares) share = broken ? std::numeric_limits<float>::quiet_NaN() : share / sum;
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
