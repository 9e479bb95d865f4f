// One pass over the vocabulary for the sums of the original's logits, one for the expected rows, then one a candidate.
#include "measure/expected_head.h"

#include "base/scalars.h"
#include "kernel/lane_math.h"
#include "runtime/head.h"

namespace quern {
namespace {

// What a product of this precision takes in place of the values.
void round_to(Precision precision, std::span<float> values) {
  if (precision == Precision::kBf16)
    for (float& value : values) value = bf16_to_f32(f32_to_bf16(value));
}

Linear transposed_tile(const WalkContext& head, std::size_t first, std::size_t rows) {
  Matrix weights = head_rows(head, first, rows);
  round_to(head.precision, weights.flat());
  Matrix turned(weights.cols(), rows);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < weights.cols(); ++c) turned.row(c)[r] = weights.row(r)[c];
  return Linear(turned.view(), Precision::kF32);
}

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

}  // namespace

ExpectedHead::ExpectedHead(const WalkContext& original, const ActivationStore& rows, const WalkContext& head,
                           const Windows& windows, std::uint64_t memory_limit)
    : windows_(windows), expected_(rows.windows(), rows.length(), rows.width(), memory_limit) {
  check_same_vocabulary(original, head);
  original_ = logit_sums(original, rows, windows);
  masses_.resize(original_.size());
  const std::size_t scored = rows.length();
  for_each_head_tile(original.spec, [&](std::size_t first, std::size_t count) {
    const Linear tile = head_tile(original, first, count), turned = transposed_tile(head, first, count);
    original.pool.run(windows.count(), [&](std::size_t w) {
      Matrix p = tile_logits(tile, rows, w);
      for (std::size_t t = 0; t < scored; ++t) {
        const auto shift = static_cast<float>(original_[w * scored + t].log_sum());
        Mass& mass = masses_[w * scored + t];
        for (float& logit : p.row(t)) {
          const float e = lane_exp(logit - shift);
          mass.sum += static_cast<double>(e);
          mass.logits += static_cast<double>(e) * static_cast<double>(logit);
          logit = e;
        }
      }
      Matrix part(scored, rows.width()), sum(scored, rows.width());
      turned.apply(p.view(), part.view());
      if (first > 0) expected_.load(w, sum.view());
      for (std::size_t i = 0; i < part.flat().size(); ++i) sum.flat()[i] += part.flat()[i];
      expected_.save(w, sum.view());
    });
  });
}

double ExpectedHead::mean_kld(const WalkContext& candidate, const ActivationStore& rows) const {
  const std::vector<LogitSums> sums = logit_sums(candidate, rows, windows_);
  const std::size_t scored = rows.length();
  TokenScores scores{.per_window = scored, .original_nll = {}, .candidate_nll = {}, .kld = {}, .same_top = {}};
  Matrix expected(scored, rows.width()), hidden(scored, rows.width());
  for (std::size_t w = 0; w < rows.windows(); ++w) {
    expected_.load(w, expected.view());
    rows.load(w, hidden.view());
    round_to(candidate.precision, hidden.flat());
    for (std::size_t t = 0; t < scored; ++t) {
      const LogitSums &p = original_[w * scored + t], &q = sums[w * scored + t];
      scores.original_nll.push_back(p.nll());
      scores.candidate_nll.push_back(q.nll());
      const Mass& mass = masses_[w * scored + t];
      const double of_candidate = dot(std::as_const(expected).row(t), std::as_const(hidden).row(t));
      scores.kld.push_back((mass.logits - of_candidate) / mass.sum - p.log_sum() + q.log_sum());
      scores.same_top.push_back(p.top() == q.top());
    }
  }
  return quern::mean_kld(scores);
}

}  // namespace quern
