// Online softmax sums and the bootstrap over windows.
#include "measure/divergence.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/fail.h"
#include "base/random.h"
#include "kernel/lane_math.h"

namespace quern {
namespace {

constexpr int kResamples = 200;

double quantile(std::vector<double> values, double q) {
  const std::size_t at = std::min(values.size() - 1, static_cast<std::size_t>(q * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

double total(std::span<const double> values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum;
}

double mean(std::span<const double> values) { return total(values) / static_cast<double>(values.size()); }

// The figures of one (re)sample, in the order of Quality.
constexpr std::size_t kFigures = 7;
std::array<double, kFigures> figures(const TokenScores& s) {
  const double original = mean(s.original_nll), candidate = mean(s.candidate_nll);
  const auto same = static_cast<double>(std::count(s.same_top.begin(), s.same_top.end(), 1));
  return {std::exp(original),
          std::exp(candidate),
          std::expm1(candidate - original),
          mean(s.kld),
          quantile(s.kld, 0.5),
          quantile(s.kld, 0.99),
          same / static_cast<double>(s.same_top.size())};
}

// `count` units of `unit` tokens each, drawn with replacement.
TokenScores resample(const TokenScores& from, std::size_t unit, std::size_t count, Random& random) {
  TokenScores to;
  for (std::size_t i = 0; i < count; ++i) {
    const auto first = static_cast<std::ptrdiff_t>(random.below(count) * unit),
               last = first + static_cast<std::ptrdiff_t>(unit);
    const auto take = [&](const auto& source, auto& sink) {
      sink.insert(sink.end(), source.begin() + first, source.begin() + last);
    };
    take(from.original_nll, to.original_nll);
    take(from.candidate_nll, to.candidate_nll);
    take(from.kld, to.kld);
    take(from.same_top, to.same_top);
  }
  return to;
}

std::array<double, kFigures> standard_errors(const TokenScores& scores) {
  const std::size_t tokens = scores.kld.size();
  const std::size_t unit = tokens > scores.per_window ? scores.per_window : 1;
  Random random(kBootstrapSeed);
  std::array<double, kFigures> sum{}, squares{}, errors{};
  for (int r = 0; r < kResamples; ++r) {
    const auto sample = figures(resample(scores, unit, tokens / unit, random));
    for (std::size_t f = 0; f < kFigures; ++f) {
      sum[f] += sample[f];
      squares[f] += sample[f] * sample[f];
    }
  }
  for (std::size_t f = 0; f < kFigures; ++f) {
    const double average = sum[f] / kResamples;
    errors[f] = std::sqrt(std::max(0.0, squares[f] / kResamples - average * average));
  }
  return errors;
}

void check_finite(const TokenScores& scores) {
  if (scores.kld.empty()) fail(ErrorCode::kInput, "no token was scored; the text is too short");
  for (std::size_t i = 0; i < scores.kld.size(); ++i)
    if (!std::isfinite(scores.kld[i]) || !std::isfinite(scores.original_nll[i]) ||
        !std::isfinite(scores.candidate_nll[i]))
      fail(ErrorCode::kInput,
           "token {} of window {} scores {} (original {}, candidate {} nats); the logits are not finite",
           i % scores.per_window, i / scores.per_window, scores.kld[i], scores.original_nll[i],
           scores.candidate_nll[i]);
}

struct ExpSums {
  double p = 0, q = 0, difference = 0;  // sums of exp(p - max p), exp(q - max q), exp(p - max p) (p - q)
};

// Logits go through kMathLanes lanes, so that the loop is vectorised and every compiler sums in the same order.
using Lanes = std::array<double, kMathLanes>;

template <typename Add>
[[gnu::always_inline]] inline void for_each_lane(std::size_t count, Add add) {
  std::size_t i = 0;
  for (; i + kMathLanes <= count; i += kMathLanes)
    for (std::size_t lane = 0; lane < kMathLanes; ++lane) add(i + lane, lane);
  for (std::size_t lane = 0; i < count; ++i, ++lane) add(i, lane);
}

ExpSums exp_sums(std::span<const float> p, std::span<const float> q, float max_p, float max_q) {
  Lanes sum_p{}, sum_q{}, difference{};
  for_each_lane(p.size(), [&](std::size_t i, std::size_t lane) {
    const float e = lane_exp(p[i] - max_p);
    sum_p[lane] += static_cast<double>(e);
    sum_q[lane] += static_cast<double>(lane_exp(q[i] - max_q));
    difference[lane] += static_cast<double>(e) * (static_cast<double>(p[i]) - static_cast<double>(q[i]));
  });
  return {total(sum_p), total(sum_q), total(difference)};
}

// The sum over p of exp_sums, to the bit.
double exp_sum(std::span<const float> p, float max_p) {
  Lanes sum{};
  for_each_lane(p.size(),
                [&](std::size_t i, std::size_t lane) { sum[lane] += static_cast<double>(lane_exp(p[i] - max_p)); });
  return total(sum);
}

}  // namespace

double LogitSums::log_sum() const { return max_ + std::log(sum_); }
double LogitSums::nll() const { return log_sum() - target_; }

double LogitSums::raise(std::span<const float> logits, std::int32_t first) {
  const float largest = lane_max(logits);
  if (!(largest > max_)) return 1;
  const double factor = std::exp(static_cast<double>(max_) - largest);
  top_ = first + static_cast<std::int32_t>(std::ranges::find(logits, largest) - logits.begin());
  max_ = largest;
  sum_ *= factor;
  return factor;
}

void LogitSums::note_target(std::span<const float> logits, std::int32_t first, std::int32_t target) {
  if (target >= first && target < first + static_cast<std::int32_t>(logits.size()))
    target_ = logits[static_cast<std::size_t>(target - first)];
}

void LogitSums::add(std::span<const float> logits, std::int32_t first, std::int32_t target) {
  raise(logits, first);
  sum_ += exp_sum(logits, max_);
  note_target(logits, first, target);
}

void TokenDivergence::add(std::span<const float> p, std::span<const float> q, std::int32_t first, std::int32_t target) {
  weighted_difference_ *= original_.raise(p, first);
  candidate_.raise(q, first);
  const ExpSums sums = exp_sums(p, q, original_.max_, candidate_.max_);
  original_.sum_ += sums.p;
  candidate_.sum_ += sums.q;
  weighted_difference_ += sums.difference;
  original_.note_target(p, first, target);
  candidate_.note_target(q, first, target);
}

double TokenDivergence::kld() const {
  return weighted_difference_ / original_.sum_ - original_.log_sum() + candidate_.log_sum();
}

double mean_kld(const TokenScores& scores) {
  check_finite(scores);
  return std::accumulate(scores.kld.begin(), scores.kld.end(), 0.0) / static_cast<double>(scores.kld.size());
}

Quality summarise(const TokenScores& scores) {
  check_finite(scores);
  const auto value = figures(scores), error = standard_errors(scores);
  Quality quality{.windows = scores.kld.size() / scores.per_window, .tokens = scores.kld.size()};
  const std::array<Estimate*, kFigures> targets{&quality.original_perplexity,
                                                &quality.perplexity,
                                                &quality.perplexity_increase,
                                                &quality.mean_kld,
                                                &quality.median_kld,
                                                &quality.kld_99,
                                                &quality.same_top};
  for (std::size_t f = 0; f < kFigures; ++f) {
    *targets[f] = {value[f], error[f]};
    if (!std::isfinite(value[f]) || !std::isfinite(error[f]))
      fail(ErrorCode::kInput,
           "a perplexity is beyond every number: the model gives the words of this text next to no probability, so "
           "that nothing can be measured on it; it is damaged, or was made for other text or another tokenizer");
  }
  return quality;
}

}  // namespace quern
