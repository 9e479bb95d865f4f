// Probabilities by the polynomial exponential, sums in the order of the candidates: nothing depends on the C library.
#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "kernel/lane_math.h"

namespace quern {
namespace {

// `weight`: e^(logit - largest logit), the probability in relation to the most probable token.
struct Candidate {
  float logit = 0, weight = 0;
  std::uint32_t id = 0;
};

bool goes_before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// e^z for z <= 0; 0 where lane_exp clamps.
float weight_of(double z) { return z < -87.0 ? 0.0f : lane_exp(static_cast<float>(z)); }

// In the order of their ids.
std::vector<Candidate> candidates_of(std::span<const float> logits) {
  std::vector<Candidate> out;
  out.reserve(logits.size());
  for (std::size_t id = 0; id < logits.size(); ++id) {
    const float logit = logits[id];
    if (std::isnan(logit) || logit == INFINITY) fail(ErrorCode::kInput, "the logit of token {} is {}", id, logit);
    if (logit != -INFINITY) out.push_back({logit, 0, static_cast<std::uint32_t>(id)});
  }
  if (out.empty()) fail(ErrorCode::kInput, "no token can follow: all {} logits are -infinity", logits.size());
  return out;
}

std::vector<Candidate>::iterator nth(std::vector<Candidate>& all, std::size_t n) {
  return all.begin() + static_cast<std::ptrdiff_t>(n);
}

void keep_top_k(std::size_t k, std::vector<Candidate>& all) {
  if (k == 0) return;
  k = std::min(k, all.size());
  std::partial_sort(all.begin(), nth(all, k), all.end(), goes_before);
  all.resize(k);
}

void weigh(std::vector<Candidate>& all) {
  const double largest = std::ranges::min_element(all, goes_before)->logit;
  for (Candidate& c : all) c.weight = weight_of(c.logit - largest);
}

void keep_top_p(double p, std::vector<Candidate>& all) {
  if (p >= 1) return;
  double total = 0, reached = 0;
  for (const Candidate& c : all) total += c.weight;
  std::size_t kept = 0, sorted = 0;
  do {
    if (kept == sorted) {  // twice as many: most of a vocabulary never needs to be sorted
      sorted = std::min(std::max<std::size_t>(2 * sorted, 64), all.size());
      std::partial_sort(nth(all, kept), nth(all, sorted), all.end(), goes_before);
    }
    reached += all[kept++].weight;
  } while (reached < p * total && kept < all.size());
  all.resize(kept);
}

void keep_min_p(double p, std::vector<Candidate>& all) {
  std::erase_if(all, [p](const Candidate& c) { return c.weight < p; });
}

std::uint32_t most_probable(std::span<const float> logits) {
  const std::vector<Candidate> all = candidates_of(logits);
  return std::ranges::min_element(all, goes_before)->id;
}

}  // namespace

void check(const SamplingOptions& options) {
  if (!(options.temperature >= 0) || std::isinf(options.temperature))
    fail(ErrorCode::kUsage, "`sampling.temperature` {} is not a number of at least 0", options.temperature);
  if (!(options.top_p >= 0 && options.top_p <= 1))
    fail(ErrorCode::kUsage, "`sampling.top_p` {} is not within 0 and 1", options.top_p);
  if (!(options.min_p >= 0 && options.min_p <= 1))
    fail(ErrorCode::kUsage, "`sampling.min_p` {} is not within 0 and 1", options.min_p);
}

std::vector<TokenChance> sampling_chances(const SamplingOptions& options, std::span<const float> logits) {
  if (options.temperature == 0) return {{most_probable(logits), 1.0}};
  std::vector<Candidate> all = candidates_of(logits);
  keep_top_k(options.top_k, all);
  weigh(all);
  keep_top_p(options.top_p, all);
  keep_min_p(options.min_p, all);
  const double largest = std::ranges::min_element(all, goes_before)->logit;
  std::vector<TokenChance> chances;
  chances.reserve(all.size());
  double total = 0;
  for (const Candidate& c : all) {
    chances.push_back({c.id, weight_of((c.logit - largest) / options.temperature)});
    total += chances.back().probability;
  }
  for (TokenChance& chance : chances) chance.probability /= total;
  return chances;
}

Sampler::Sampler(const SamplingOptions& options) : options_(options), random_(options.seed) { check(options); }

std::uint32_t Sampler::sample(std::span<const float> logits) {
  const std::vector<TokenChance> chances = sampling_chances(options_, logits);
  if (options_.temperature == 0) return chances[0].id;
  const double at = random_.uniform();
  double reached = 0;
  std::uint32_t last = chances[0].id;
  for (const TokenChance& chance : chances) {
    if (chance.probability == 0) continue;
    last = chance.id;
    reached += chance.probability;
    if (at < reached) break;
  }
  return last;  // the last possible one where rounding left the sum below `at`
}

}  // namespace quern
