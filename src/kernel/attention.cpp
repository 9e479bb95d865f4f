// Blocks of queries against all the keys that any of them sees: two matrix products with a softmax between them. A
// single query, as in generation, reads every key and value once and does without the set-up of a product.
#include "kernel/attention.h"

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "base/fail.h"
#include "kernel/lane_math.h"
#include "kernel/one_thread.h"
#include "kernel/onednn_level.h"

namespace quern {
namespace {

// 64 queries x 512 keys of scores are 128 KiB: they stay in the second-level cache between the products.
constexpr std::size_t kQueries = 64;

// Queries first .. first + count - 1, the first of them at position `position`, against keys from .. to - 1.
struct Tile {
  std::size_t first = 0, count = 0, position = 0, from = 0, to = 0;
  std::size_t keys() const { return to - from; }
};

// The first position that `position` sees.
std::size_t first_seen(std::size_t position, std::size_t window) {
  return window != 0 && position + 1 > window ? position + 1 - window : 0;
}

Tile tile_at(std::size_t first, std::size_t queries, std::size_t past, std::size_t window) {
  const std::size_t count = std::min(kQueries, queries - first), position = past + first;
  return {first, count, position, first_seen(position, window), position + count};
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
    const std::size_t position = tile.position + i, begin = first_seen(position, window);
    masked_softmax(scores.subspan(i * tile.keys(), tile.keys()), begin - tile.from, position + 1 - tile.from);
  }
}

dnnl::memory::dim dim(std::size_t n) { return static_cast<dnnl::memory::dim>(n); }

void check(dnnl::status status) {
  if (status != dnnl::status::success) fail(ErrorCode::kResource, "oneDNN refuses a product of the attention");
}

// to = sum over the keys of weights[j] * v[j], four keys a pass.
void weighted_sum(std::span<const float> weights, const float* v, std::size_t stride, std::span<float> to) {
  std::ranges::fill(to, 0.0f);
  float* __restrict sum = to.data();
  const std::size_t width = to.size();
  std::size_t j = 0;
  for (; j + 4 <= weights.size(); j += 4) {
    const float *a = v + j * stride, *b = a + stride, *c = b + stride, *d = c + stride, *w = &weights[j];
    for (std::size_t e = 0; e < width; ++e) sum[e] += (w[0] * a[e] + w[1] * b[e]) + (w[2] * c[e] + w[3] * d[e]);
  }
  for (; j < weights.size(); ++j)
    for (std::size_t e = 0; e < width; ++e) sum[e] += weights[j] * v[j * stride + e];
}

// The last position alone.
void attend_one(const AttentionShape& shape, std::span<const float> q, MatrixView k, MatrixView v,
                std::span<float> out) {
  const std::size_t hd = shape.head_dim, from = first_seen(k.rows - 1, shape.window);
  const auto scale = static_cast<float>(shape.scale);
  std::vector<float> scores(k.rows - from);
  for (std::size_t head = 0; head < shape.heads; ++head) {
    const std::size_t kv = head / (shape.heads / shape.kv_heads) * hd;
    const float* query = &q[head * hd];
    for (std::size_t j = 0; j < scores.size(); ++j) {
      const float* key = k.row(from + j).data() + kv;
      scores[j] = scale * lane_sum(hd, [query, key](std::size_t e) { return query[e] * key[e]; });
    }
    masked_softmax(scores, 0, scores.size());
    weighted_sum(scores, v.row(from).data() + kv, v.stride, out.subspan(head * hd, hd));
  }
}

void attend_tile(const AttentionShape& shape, const Tile& tile, MatrixView q, MatrixView k, MatrixView v,
                 std::span<float> scores, MutableMatrixView out) {
  const std::size_t hd = shape.head_dim;
  for (std::size_t head = 0; head < shape.heads; ++head) {
    const std::size_t kv = head / (shape.heads / shape.kv_heads) * hd;
    check(dnnl::sgemm('N', 'T', dim(tile.count), dim(tile.keys()), dim(hd), static_cast<float>(shape.scale),
                      q.row(tile.first).data() + head * hd, dim(q.stride), k.row(tile.from).data() + kv, dim(k.stride),
                      0.0f, scores.data(), dim(tile.keys())));
    softmax_rows(tile, shape.window, scores.first(tile.count * tile.keys()));
    check(dnnl::sgemm('N', 'N', dim(tile.count), dim(hd), dim(tile.keys()), 1.0f, scores.data(), dim(tile.keys()),
                      v.row(tile.from).data() + kv, dim(v.stride), 0.0f, out.row(tile.first).data() + head * hd,
                      dim(out.stride)));
  }
}

}  // namespace

void causal_attention(const AttentionShape& shape, MatrixView q, MatrixView k, MatrixView v, MutableMatrixView out) {
  ensure(k.rows >= q.rows && v.rows == k.rows, "attention of {} queries with {} keys and {} values", q.rows, k.rows,
         v.rows);
  if (q.rows == 1) return attend_one(shape, q.row(0), k, v, out.row(0));
  use_one_openmp_thread();
  hold_onednn_to_level();
  std::vector<float> scores(std::min(kQueries, q.rows) * k.rows);
  for (std::size_t first = 0; first < q.rows; first += kQueries)
    attend_tile(shape, tile_at(first, q.rows, k.rows - q.rows, shape.window), q, k, v, scores, out);
}

}  // namespace quern
