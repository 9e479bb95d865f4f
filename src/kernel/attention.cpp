// Blocks of queries against all the keys that any of them sees: two matrix products with a softmax between them.
#include "kernel/attention.h"

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "kernel/lane_math.h"
#include "kernel/one_thread.h"
#include "quern/error.h"

namespace quern {
namespace {

// 64 queries x 512 keys of scores are 128 KiB: they stay in the second-level cache between the products.
constexpr std::size_t kQueries = 64;

// Queries first .. first + count - 1 against keys from .. to - 1.
struct Tile {
  std::size_t first = 0, count = 0, from = 0, to = 0;
  std::size_t keys() const { return to - from; }
};

Tile tile_at(std::size_t first, std::size_t positions, std::size_t window) {
  const std::size_t count = std::min(kQueries, positions - first);
  const std::size_t from = window != 0 && first + 1 > window ? first + 1 - window : 0;
  return {first, count, from, first + count};
}

// Turns scores into weights that sum to one over begin .. end - 1 and are zero elsewhere.
void masked_softmax(std::span<float> scores, std::size_t begin, std::size_t end) {
  std::fill(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(begin), 0.0f);
  std::fill(scores.begin() + static_cast<std::ptrdiff_t>(end), scores.end(), 0.0f);
  const std::span<float> seen = scores.subspan(begin, end - begin);
  const float largest = lane_max(seen);
  for (float& s : seen) s = lane_exp(s - largest);
  const float* weights = seen.data();
  const float inverse = 1.0f / lane_sum(seen.size(), [weights](std::size_t i) { return weights[i]; });
  for (float& s : seen) s *= inverse;
}

void softmax_rows(const Tile& tile, std::size_t window, std::span<float> scores) {
  for (std::size_t i = 0; i < tile.count; ++i) {
    const std::size_t position = tile.first + i;
    const std::size_t begin = window != 0 && position + 1 > window ? position + 1 - window : 0;
    masked_softmax(scores.subspan(i * tile.keys(), tile.keys()), begin - tile.from, position + 1 - tile.from);
  }
}

dnnl::memory::dim dim(std::size_t n) { return static_cast<dnnl::memory::dim>(n); }

void check(dnnl::status status) {
  if (status != dnnl::status::success) fail(ErrorCode::kResource, "oneDNN refuses a product of the attention");
}

}  // namespace

void causal_attention(const AttentionShape& shape, MatrixView q, MatrixView k, MatrixView v, MutableMatrixView out) {
  use_one_openmp_thread();
  const std::size_t hd = shape.head_dim, queries_per_key = shape.heads / shape.kv_heads;
  std::vector<float> scores(kQueries * q.rows);
  for (std::size_t first = 0; first < q.rows; first += kQueries) {
    const Tile tile = tile_at(first, q.rows, shape.window);
    for (std::size_t head = 0; head < shape.heads; ++head) {
      const std::size_t kv = head / queries_per_key * hd;
      check(dnnl::sgemm('N', 'T', dim(tile.count), dim(tile.keys()), dim(hd), static_cast<float>(shape.scale),
                        q.row(first).data() + head * hd, dim(q.stride), k.row(tile.from).data() + kv, dim(k.stride),
                        0.0f, scores.data(), dim(tile.keys())));
      softmax_rows(tile, shape.window, std::span(scores).first(tile.count * tile.keys()));
      check(dnnl::sgemm('N', 'N', dim(tile.count), dim(hd), dim(tile.keys()), 1.0f, scores.data(), dim(tile.keys()),
                        v.row(tile.from).data() + kv, dim(v.stride), 0.0f, out.row(first).data() + head * hd,
                        dim(out.stride)));
    }
  }
}

}  // namespace quern
