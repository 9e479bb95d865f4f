// Blocks compiled once, run for each chunk of tokens.
#include "runtime/sequence.h"

#include <algorithm>

#include "base/fail.h"
#include "kernel/elementwise.h"
#include "model/op_walk.h"
#include "runtime/block_program.h"
#include "runtime/packed_linear.h"

namespace quern {
namespace {

// Tokens of a prompt that pass through the blocks together: weights are decoded once for all of them.
constexpr std::size_t kChunk = 64;

WalkContext packed(const WalkContext& context) {
  WalkContext out = context;
  out.form = WeightForm::kPacked;
  return out;
}

struct CompiledBlock {
  std::string name;
  BlockProgram program;
  std::vector<OpState> states;
};

}  // namespace

struct Sequence::State {
  WalkContext context;
  std::size_t capacity, position = 0;
  std::vector<CompiledBlock> blocks;  // behind the embedding, up to the norm before the head
  PackedLinear head;
  Workspace workspace;
  Matrix logits;

  State(const WalkContext& given, std::size_t room)
      : context(packed(given)), capacity(room), head(context, context.spec.head()), logits(1, head.rows()) {
    const std::vector<Block>& all = context.spec.blocks;
    std::size_t width = embedding().layout().cols;
    compile(all.front(), std::span(all.front().ops).subspan(1), context.spec.embedding_op().output, "hidden", width);
    for (std::size_t b = 1; b + 1 < all.size(); ++b) compile(all[b], all[b].ops, "hidden", "hidden", width);
    const std::span<const Op> last = all.back().ops;
    compile(all.back(), last.first(last.size() - 1), "hidden", context.spec.head_op().inputs[0], width);
    clear();
  }

  const Weight& embedding() const { return context.spec.embedding(); }

  void compile(const Block& block, std::span<const Op> ops, const std::string& input, const std::string& result,
               std::size_t width) {
    if (!ops.empty()) blocks.push_back({block.name, BlockProgram(context, ops, input, result, capacity, width), {}});
  }

  void clear() {
    position = 0;
    for (CompiledBlock& block : blocks) block.states = block.program.begin(capacity);
  }

  // The last row in front of the head.
  Matrix run(std::span<const std::int32_t> ids) {
    Matrix hidden(ids.size(), embedding().layout().cols);
    embed_rows(context.weights, embedding(), ids, hidden.view());
    for (CompiledBlock& block : blocks) {
      const bool is_last = &block == &blocks.back();
      if (is_last && hidden.rows() > 1) {  // only the last token's logits are asked for
        Matrix row(1, hidden.cols());
        std::ranges::copy(std::as_const(hidden).row(hidden.rows() - 1), row.row(0).begin());
        hidden = std::move(row);
      }
      hidden = block.program.advance(position, std::move(hidden), block.states, workspace);
    }
    position += ids.size();
    return hidden;
  }

  // Looks for the weight that is to blame.
  [[noreturn]] void fail_non_finite() const {
    const std::string model = context.weights.name();
    for (const Weight& weight : context.spec.weights) {
      const std::size_t row = first_bad_row(context.weights, weight);
      if (row < weight.layout().rows)
        fail(ErrorCode::kInput,
             "{}: the logits behind token {} are not finite: tensor {} holds a NaN or infinity in row {}", model,
             position - 1, weight.tensor, row);
    }
    fail(ErrorCode::kInput,
         "{}: the logits behind token {} are not finite: its weights are finite, the values overflowed", model,
         position - 1);
  }

  void check(std::span<const std::int32_t> ids) const {
    const std::uint64_t vocabulary = embedding().layout().rows;
    for (const std::int32_t id : ids)
      if (id < 0 || static_cast<std::uint64_t>(id) >= vocabulary)
        fail(ErrorCode::kInput, "token {} is outside the model's vocabulary of {}: is this its tokenizer?", id,
             vocabulary);
    if (ids.size() > capacity - position)
      fail(ErrorCode::kInput, "{} tokens behind {} do not fit the context of {}", ids.size(), position, capacity);
  }
};

Sequence::Sequence(const WalkContext& context, std::size_t capacity)
    : state_(std::make_unique<State>(context, capacity)) {}
Sequence::Sequence(Sequence&&) noexcept = default;
Sequence::~Sequence() = default;

std::size_t Sequence::position() const noexcept { return state_->position; }
std::size_t Sequence::capacity() const noexcept { return state_->capacity; }
void Sequence::clear() { state_->clear(); }

std::span<const float> Sequence::feed(std::span<const std::int32_t> ids, const std::function<void()>& before_chunk) {
  State& s = *state_;
  ensure(!ids.empty(), "no tokens to feed");
  s.check(ids);
  Matrix hidden;
  for (std::size_t begin = 0; begin < ids.size(); begin += kChunk) {
    if (before_chunk) before_chunk();
    hidden = s.run(ids.subspan(begin, std::min(kChunk, ids.size() - begin)));
  }
  s.head.apply(std::as_const(hidden).view(), 0, s.logits.view());
  if (!all_finite(s.logits.flat())) s.fail_non_finite();
  return s.logits.flat();
}

std::uint64_t weight_bytes_per_token(const WalkContext& context) {
  std::uint64_t bytes = 0;
  for (const Block& block : context.spec.blocks)
    for (const Op& op : block.ops) {
      const Share read = weights_read(op);
      for (const std::size_t index : op.weights)
        bytes += packed_bytes(context.weights, context.spec.weights[index]) * read.of / read.in;
    }
  return bytes;
}

std::uint64_t state_bytes(const ModelSpec& spec, std::size_t tokens) {
  return sizeof(float) * state_size(spec, tokens).total();
}

}  // namespace quern
