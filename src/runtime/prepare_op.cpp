// One row of the table of executors per kind of op: prepare() overloads, chosen by the variant.
#include "runtime/prepare_op.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "base/fail.h"
#include "kernel/attention.h"
#include "kernel/causal_conv.h"
#include "kernel/elementwise.h"
#include "kernel/layer_norm.h"
#include "kernel/rms_norm.h"
#include "kernel/rope.h"
#include "kernel/selective_scan.h"
#include "kernel/shared_step_scan.h"
#include "model/op_traits.h"
#include "runtime/attention_cache.h"
#include "runtime/decode_weight.h"
#include "runtime/expert_op.h"
#include "runtime/packed_linear.h"

namespace quern {
namespace {

struct Request {
  const WalkContext& context;
  const Op& op;
  std::size_t positions;
  std::span<const std::size_t> widths;

  const Weight& weight(std::size_t i) const { return context.spec.weights[op.weights.at(i)]; }
  // A weight of this many values, in one run.
  std::vector<float> vector(std::size_t i, std::size_t size) const {
    const Matrix read = context.weights.read(weight(i));
    ensure(read.flat().size() == size, "{} has {} values and not {}", weight(i).tensor, read.flat().size(), size);
    return {read.flat().begin(), read.flat().end()};
  }
  void expect_inputs(std::size_t count) const {
    ensure(widths.size() == count, "the op that makes {} has {} inputs and not {}", op.output, widths.size(), count);
  }
};

using Inputs = std::span<const MatrixView>;

std::span<const float> flat(MatrixView view) { return {view.data, view.rows * view.cols}; }
std::span<float> flat(MutableMatrixView view) { return {view.data, view.rows * view.cols}; }

PreparedOp prepare(const EmbedOp&, const Request& r) {
  fail(ErrorCode::kInternal, "{} is made from token ids, which only the first op of a model reads", r.op.output);
}

PreparedOp prepare(const PositionsOp&, const Request& r) {
  r.expect_inputs(1);
  const RowLayout table = r.weight(0).layout();
  if (r.positions > table.rows)
    fail(ErrorCode::kInput,
         "{}: {} tokens are longer than the {} positions that the model has ({}); take fewer with `window_length`",
         r.context.weights.name(), r.positions, table.rows, r.weight(0).tensor);
  ensure(table.cols == r.widths[0], "{} has {} columns and its input {}", r.weight(0).tensor, table.cols, r.widths[0]);
  auto rows = std::make_shared<Matrix>(r.positions, table.cols);
  r.context.weights.read_rows(r.weight(0), 0, rows->view());
  return {r.widths[0], [rows = std::move(rows)](Inputs inputs, MutableMatrixView out, const Chunk& chunk) {
            for (std::size_t t = 0; t < out.rows; ++t)
              add(inputs[0].row(t), std::as_const(*rows).row(chunk.position + t), out.row(t));
          }};
}

PreparedOp prepare(const RmsNormOp& norm, const Request& r) {
  r.expect_inputs(1);
  const std::size_t width = norm.width ? norm.width : r.widths[0];
  ensure(r.widths[0] % width == 0, "a norm of {} columns over {}", width, r.widths[0]);
  return {r.widths[0],
          [weights = r.vector(0, width), epsilon = norm.epsilon](Inputs inputs, MutableMatrixView out, const Chunk&) {
            rms_norm_slices(inputs[0], weights, epsilon, out);
          }};
}

PreparedOp prepare(const LayerNormOp& norm, const Request& r) {
  r.expect_inputs(1);
  return {r.widths[0],
          [gain = r.vector(0, r.widths[0]), bias = r.vector(1, r.widths[0]), epsilon = norm.epsilon](
              Inputs inputs, MutableMatrixView out, const Chunk&) { layer_norm(inputs[0], gain, bias, epsilon, out); }};
}

// A router decides, so that rounding its logits could send a token to another expert: it stays in float.
Precision precision_of(const Request& r) {
  return r.weight(0).role == "moe.router" ? Precision::kF32 : r.context.precision;
}

PreparedOp prepare_packed(const Request& r, std::vector<float> bias) {
  auto linear = std::make_shared<const PackedLinear>(r.context, r.weight(0));
  return {linear->rows(),
          [linear = std::move(linear), bias = std::move(bias)](Inputs inputs, MutableMatrixView out, const Chunk&) {
            linear->apply(inputs[0], 0, out);
            if (!bias.empty()) add_bias(bias, out);
          }};
}

PreparedOp prepare(const LinearOp&, const Request& r) {
  r.expect_inputs(1);
  const RowLayout layout = r.weight(0).layout();
  ensure(layout.cols == r.widths[0], "{} has {} columns and its input {}", r.weight(0).tensor, layout.cols,
         r.widths[0]);
  std::vector<float> bias;
  if (r.op.weights.size() > 1) bias = r.vector(1, layout.rows);
  if (r.context.form == WeightForm::kPacked) return prepare_packed(r, std::move(bias));
  // std::function copies what it holds; the weights are shared.
  auto linear =
      std::make_shared<const Linear>(decode_rows(r.context, r.weight(0), 0, layout.rows).view(), precision_of(r));
  return {layout.rows,
          [linear = std::move(linear), bias = std::move(bias)](Inputs inputs, MutableMatrixView out, const Chunk&) {
            linear->apply(inputs[0], out);
            if (!bias.empty()) add_bias(bias, out);
          }};
}

PreparedOp prepare(const SliceOp& slice, const Request& r) {
  r.expect_inputs(1);
  ensure(slice.width > 0 && std::size_t{slice.first} + slice.width <= r.widths[0], "columns {} to {} of {}",
         slice.first, slice.first + slice.width, r.widths[0]);
  return {slice.width, [first = slice.first](Inputs inputs, MutableMatrixView out, const Chunk&) {
            for (std::size_t t = 0; t < out.rows; ++t)
              std::ranges::copy(inputs[0].row(t).subspan(first, out.cols), out.row(t).begin());
          }};
}

PreparedOp prepare(const RopeOp& rope, const Request& r) {
  r.expect_inputs(1);
  ensure(rope.inverse_frequencies.size() * 2 == rope.head_dim && r.widths[0] % rope.head_dim == 0,
         "rotary embedding of heads of {} on {} columns with {} frequencies", rope.head_dim, r.widths[0],
         rope.inverse_frequencies.size());
  const auto pairing = rope.pairing == RopeOp::Pairing::kHalves ? RopePairing::kHalves : RopePairing::kNeighbours;
  auto table = std::make_shared<const RopeTable>(rope.inverse_frequencies, r.positions, pairing);
  return {r.widths[0], [table = std::move(table)](Inputs inputs, MutableMatrixView out, const Chunk& chunk) {
            table->rotate(inputs[0], chunk.position, out);
          }};
}

template <typename View>
View columns(View of, std::size_t first, std::size_t count) {
  return {of.data + first, of.rows, count, of.stride};
}
template <typename View>
View rows(View of, std::size_t first, std::size_t count) {
  return {of.data + first * of.stride, count, of.cols, of.stride};
}

// One sequence leaves the threads nothing else to do: each takes heads that share their keys.
void attend_by_groups(ThreadPool& pool, const AttentionShape& shape, MatrixView q, MatrixView keys, MatrixView values,
                      MutableMatrixView out) {
  const AttentionShape group{shape.heads / shape.kv_heads, 1, shape.head_dim, shape.scale, shape.window};
  const std::size_t kv_width = shape.head_dim, width = group.heads * kv_width;
  pool.run(shape.kv_heads, [&](std::size_t g) {
    causal_attention(group, columns(q, g * width, width), columns(keys, g * kv_width, kv_width),
                     columns(values, g * kv_width, kv_width), columns(out, g * width, width));
  });
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
  const auto execute = [attention, shape, pool = &r.context.pool](Inputs in, MutableMatrixView out,
                                                                  const Chunk& chunk) {
    if (!chunk.state) return causal_attention(shape, in[0], in[1], in[2], out);
    for (std::size_t first = 0, count; first < out.rows; first += count) {
      count = std::min<std::size_t>(kPositionsAhead, out.rows - first);
      const auto [keys, values] = append_attention(attention, *chunk.state, chunk.position + first,
                                                   rows(in[1], first, count), rows(in[2], first, count));
      attend_by_groups(*pool, shape, rows(in[0], first, count), keys, values, rows(out, first, count));
    }
  };
  return {width, execute, [attention](std::size_t positions) { return begin_attention(attention, positions); }};
}

// Runs `body` on the floats of the sequence's state, or, for a window of its own, on zeros.
template <typename Body>
void with_floats(const Chunk& chunk, std::size_t count, Body body) {
  if (chunk.state) return body(std::span<float>(chunk.state->floats));
  std::vector<float> fresh(count, 0.0f);
  body(std::span<float>(fresh));
}

PreparedOp prepare(const CausalConvOp& conv, const Request& r) {
  r.expect_inputs(1);
  const std::size_t width = r.widths[0], history = (conv.kernel - 1) * width;
  std::vector<float> weights = r.vector(0, conv.kernel * width), bias;
  if (r.op.weights.size() > 1) bias = r.vector(1, width);
  return {width,
          [weights = std::move(weights), bias = std::move(bias), history](Inputs inputs, MutableMatrixView out,
                                                                          const Chunk& chunk) {
            with_floats(chunk, history,
                        [&](std::span<float> floats) { causal_conv(weights, bias, inputs[0], floats, out); });
          },
          [history](std::size_t) { return OpState{.floats = std::vector<float>(history, 0.0f)}; }};
}

PreparedOp prepare(const SelectiveScanOp& scan, const Request& r) {
  r.expect_inputs(4);
  const std::size_t width = r.widths[0], state = width * scan.state;
  ensure(r.widths[1] == width && r.widths[2] == scan.state && r.widths[3] == scan.state,
         "a scan of {} channels and {} states over inputs of {}, {} and {} columns", width, scan.state, r.widths[1],
         r.widths[2], r.widths[3]);
  auto a = std::make_shared<const Matrix>(read_decay(scan.decay, r.context.weights, r.weight(0)));
  ensure(a->rows() == width && a->cols() == scan.state, "{} is not [{}, {}]", r.weight(0).tensor, width, scan.state);
  return {width,
          [a = std::move(a), d = r.vector(1, width), state](Inputs in, MutableMatrixView out, const Chunk& chunk) {
            with_floats(chunk, state, [&](std::span<float> floats) {
              selective_scan(a->view(), d, in[0], in[1], in[2], in[3], floats, out);
            });
          },
          [state](std::size_t) { return OpState{.floats = std::vector<float>(state, 0.0f)}; }};
}

PreparedOp prepare(const SharedStepScanOp& scan, const Request& r) {
  r.expect_inputs(2);
  const std::size_t state = scan.state;
  ensure(r.widths[0] == state, "a scan of {} states over inputs of {} columns", state, r.widths[0]);
  const Matrix read = read_decay(SelectiveScanOp::Decay::kLog, r.context.weights, r.weight(0));
  ensure(read.flat().size() == state, "{} has {} values and not {}", r.weight(0).tensor, read.flat().size(), state);
  return {state,
          [a = std::vector<float>(read.flat().begin(), read.flat().end())](Inputs in, MutableMatrixView out,
                                                                           const Chunk& chunk) {
            with_floats(chunk, a.size(),
                        [&](std::span<float> floats) { shared_step_scan(a, in[0], in[1], floats, out); });
          },
          [state](std::size_t) { return OpState{.floats = std::vector<float>(state, 0.0f)}; }};
}

PreparedOp prepare(const ExpertsOp& experts, const Request& r) {
  r.expect_inputs(2);
  return prepare_experts(r.context, experts, r.op, r.widths);
}

// An op on each value alone.
PreparedOp prepare_single(const Request& r, void (*run)(std::span<const float>, std::span<float>)) {
  r.expect_inputs(1);
  return {r.widths[0], [run](Inputs inputs, MutableMatrixView out, const Chunk&) { run(flat(inputs[0]), flat(out)); }};
}

// An op on values of the same place in both inputs.
PreparedOp prepare_pairwise(const Request& r,
                            void (*run)(std::span<const float>, std::span<const float>, std::span<float>)) {
  r.expect_inputs(2);
  ensure(r.widths[0] == r.widths[1], "{} is made from {} and {} columns", r.op.output, r.widths[0], r.widths[1]);
  return {r.widths[0], [run](Inputs inputs, MutableMatrixView out, const Chunk&) {
            run(flat(inputs[0]), flat(inputs[1]), flat(out));
          }};
}

PreparedOp prepare(const SiluOp&, const Request& r) { return prepare_single(r, silu); }
PreparedOp prepare(const GeluOp& gelu, const Request& r) {
  return prepare_single(r, gelu.form == GeluOp::Form::kExact ? gelu_exact : gelu_tanh);
}
PreparedOp prepare(const SiluMulOp&, const Request& r) { return prepare_pairwise(r, silu_mul); }
PreparedOp prepare(const SquaredReluMulOp&, const Request& r) { return prepare_pairwise(r, squared_relu_mul); }
PreparedOp prepare(const AddOp&, const Request& r) { return prepare_pairwise(r, add); }

PreparedOp prepare(const ScaledAddOp&, const Request& r) {
  r.expect_inputs(2);
  ensure(r.widths[0] == r.widths[1], "{} is made from {} and {} columns", r.op.output, r.widths[0], r.widths[1]);
  return {r.widths[0], [scale = r.vector(0, r.widths[0])](Inputs inputs, MutableMatrixView out, const Chunk&) {
            for (std::size_t t = 0; t < out.rows; ++t)
              add_scaled(inputs[0].row(t), scale, inputs[1].row(t), out.row(t));
          }};
}

}  // namespace

PreparedOp prepare_op(const WalkContext& context, const Op& op, std::size_t positions,
                      std::span<const std::size_t> widths) {
  return std::visit([&](const auto& kind) { return prepare(kind, Request{context, op, positions, widths}); }, op.kind);
}

}  // namespace quern
