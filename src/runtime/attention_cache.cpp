// Rows in the order of their positions; where the room ends, those that are still seen move to the front.
#include "runtime/attention_cache.h"

#include <algorithm>

#include "base/fail.h"
#include "model/op_traits.h"

namespace quern {
namespace {

void move_to_front(Matrix& cache, std::size_t first, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) std::ranges::copy(std::as_const(cache).row(first + i), cache.row(i).begin());
}

MatrixView append(Matrix& cache, std::size_t at, MatrixView rows) {
  ensure(at + rows.rows <= cache.rows() && rows.cols == cache.cols(), "{} rows at {} of a cache of {}", rows.rows, at,
         cache.rows());
  for (std::size_t t = 0; t < rows.rows; ++t) std::ranges::copy(rows.row(t), cache.row(at + t).begin());
  return {std::as_const(cache).view().data, at + rows.rows, cache.cols(), cache.cols()};
}

}  // namespace

OpState begin_attention(const AttentionOp& attention, std::size_t positions) {
  const std::size_t rows = kept_positions(attention, positions),
                    width = std::size_t{attention.kv_heads} * attention.head_dim;
  return {.keys = Matrix(rows, width), .values = Matrix(rows, width)};
}

KeysAndValues append_attention(const AttentionOp& attention, OpState& state, std::size_t position, MatrixView keys,
                               MatrixView values) {
  ensure(position >= state.first, "position {} of a cache that begins at {}", position, state.first);
  if (attention.window && position - state.first + keys.rows > state.keys.rows()) {
    const std::size_t seen = std::min<std::size_t>(attention.window - 1, position - state.first);
    const std::size_t from = position - seen - state.first;
    move_to_front(state.keys, from, seen);
    move_to_front(state.values, from, seen);
    state.first = position - seen;
  }
  const std::size_t at = position - state.first;
  return {append(state.keys, at, keys), append(state.values, at, values)};
}

}  // namespace quern
