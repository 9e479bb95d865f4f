// One row of the table of executors per kind of op: prepare() overloads, chosen by the variant.
#include "runtime/prepared_op.h"

#include <memory>

#include "kernel/attention.h"
#include "kernel/elementwise.h"
#include "kernel/rms_norm.h"
#include "kernel/rope.h"
#include "quern/error.h"

namespace quern {
namespace {

constexpr std::size_t kRowsPerDecode = 64;

struct Request {
  const WalkContext& context;
  const Op& op;
  std::size_t length;
  std::span<const std::size_t> widths;

  const std::string& tensor(std::size_t i) const { return context.spec.weights[op.weights.at(i)].tensor; }
  // A vector of weights, of this many values.
  std::vector<float> vector(std::size_t i, std::size_t size) const {
    const Matrix read = context.weights.read(tensor(i));
    ensure(read.flat().size() == size, "{} has {} values and not {}", tensor(i), read.flat().size(), size);
    return {read.flat().begin(), read.flat().end()};
  }
  void expect_inputs(std::size_t count) const {
    ensure(widths.size() == count, "the op that makes {} has {} inputs and not {}", op.output, widths.size(), count);
  }
};

PreparedOp prepare(const EmbedOp&, const Request& r) {
  fail(ErrorCode::kInternal, "{} is made from token ids, which only the first op of a model reads", r.op.output);
}

PreparedOp prepare(const RmsNormOp& norm, const Request& r) {
  r.expect_inputs(1);
  return {r.widths[0], [weights = r.vector(0, r.widths[0]), epsilon = norm.epsilon](
                           auto inputs, MutableMatrixView out) { rms_norm(inputs[0], weights, epsilon, out); }};
}

PreparedOp prepare(const LinearOp&, const Request& r) {
  r.expect_inputs(1);
  const RowLayout stored = r.context.weights.layout(r.tensor(0));
  ensure(stored.cols == r.widths[0], "{} has {} columns and its input {}", r.tensor(0), stored.cols, r.widths[0]);
  // std::function copies what it holds; the weights are shared.
  auto linear =
      std::make_shared<const Linear>(decode_rows(r.context, r.tensor(0), 0, stored.rows).view(), r.context.precision);
  std::vector<float> bias;
  if (r.op.weights.size() > 1) bias = r.vector(1, stored.rows);
  return {stored.rows, [linear = std::move(linear), bias = std::move(bias)](auto inputs, MutableMatrixView out) {
            linear->apply(inputs[0], out);
            if (!bias.empty()) add_bias(bias, out);
          }};
}

PreparedOp prepare(const RopeOp& rope, const Request& r) {
  r.expect_inputs(1);
  ensure(rope.inverse_frequencies.size() * 2 == rope.head_dim && r.widths[0] % rope.head_dim == 0,
         "rotary embedding of heads of {} on {} columns with {} frequencies", rope.head_dim, r.widths[0],
         rope.inverse_frequencies.size());
  const auto pairing = rope.pairing == RopeOp::Pairing::kHalves ? RopePairing::kHalves : RopePairing::kNeighbours;
  auto table = std::make_shared<const RopeTable>(rope.inverse_frequencies, r.length, pairing);
  return {r.widths[0],
          [table = std::move(table)](auto inputs, MutableMatrixView out) { table->rotate(inputs[0], out); }};
}

PreparedOp prepare(const AttentionOp& attention, const Request& r) {
  r.expect_inputs(3);
  const AttentionShape shape{attention.heads, attention.kv_heads, attention.head_dim, attention.scale,
                             attention.window};
  const std::size_t width = std::size_t{shape.heads} * shape.head_dim,
                    kv_width = std::size_t{shape.kv_heads} * shape.head_dim;
  ensure(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0 && r.widths[0] == width && r.widths[1] == kv_width &&
             r.widths[2] == kv_width,
         "attention of {} heads over {} of {} with inputs of {}, {} and {} columns", shape.heads, shape.kv_heads,
         shape.head_dim, r.widths[0], r.widths[1], r.widths[2]);
  return {width, [shape](auto inputs, MutableMatrixView out) {
            causal_attention(shape, inputs[0], inputs[1], inputs[2], out);
          }};
}

std::span<const float> flat(MatrixView view) { return {view.data, view.rows * view.cols}; }
std::span<float> flat(MutableMatrixView view) { return {view.data, view.rows * view.cols}; }

// An op on values of the same place in both inputs.
PreparedOp prepare_pairwise(const Request& r,
                            void (*run)(std::span<const float>, std::span<const float>, std::span<float>)) {
  r.expect_inputs(2);
  ensure(r.widths[0] == r.widths[1], "{} is made from {} and {} columns", r.op.output, r.widths[0], r.widths[1]);
  return {r.widths[0], [run](auto inputs, MutableMatrixView out) { run(flat(inputs[0]), flat(inputs[1]), flat(out)); }};
}

PreparedOp prepare(const SiluMulOp&, const Request& r) { return prepare_pairwise(r, silu_mul); }
PreparedOp prepare(const AddOp&, const Request& r) { return prepare_pairwise(r, add); }

}  // namespace

PreparedOp prepare_op(const WalkContext& context, const Op& op, std::size_t length,
                      std::span<const std::size_t> widths) {
  return std::visit([&](const auto& kind) { return prepare(kind, Request{context, op, length, widths}); }, op.kind);
}

Matrix decode_rows(const WalkContext& context, const std::string& tensor, std::size_t first, std::size_t rows) {
  Matrix weights(rows, context.weights.layout(tensor).cols);
  parallel_for(context.pool, rows, kRowsPerDecode, [&](std::size_t begin, std::size_t end) {
    const MutableMatrixView view = weights.view();
    context.weights.read_rows(tensor, first + begin, {view.row(begin).data(), end - begin, view.cols, view.stride});
  });
  return weights;
}

}  // namespace quern
