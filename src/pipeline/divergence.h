// How far a candidate's predictions are from the original's, token by token, without ever holding a row of logits.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "quern/tensor.h"

namespace quern {

// Running sums over the vocabulary for one token. With logits p (original) and q (candidate):
//   KL = sum softmax(p) (p - q) - lse(p) + lse(q)
// and each sum is kept relative to the largest logit so far, as in the online softmax of Milakov and Gimelshein (2018).
class TokenDivergence {
 public:
  // Adds the logits of ids first .. first + size - 1; `target` is the id that follows in the text. Logits that are not
  // finite make every figure below NaN or infinite.
  void add(std::span<const float> original, std::span<const float> candidate, std::int32_t first, std::int32_t target);

  // The same for a model beside itself.
  void add(std::span<const float> both, std::int32_t first, std::int32_t target);

  double original_nll() const;   // nats
  double candidate_nll() const;  // nats
  double kld() const;            // nats, >= 0 up to rounding (2e-7 relative in each exponential); 0 for equal logits
  // Equal logits: the lower id is on top.
  bool same_top() const { return original_.top == candidate_.top; }

 private:
  struct Side {
    float max = std::numeric_limits<float>::lowest();
    double sum = 0, target = 0;  // sum of exp(logit - max)
    std::int32_t top = -1;
    double log_sum() const;
  };
  // Takes note of the ids first .. first + size - 1. Returns what sums taken relative to the largest logit before have
  // to be multiplied by.
  static double raise(Side& side, std::span<const float> logits, std::int32_t first);

  Side original_, candidate_;
  double weighted_difference_ = 0;  // sum exp(p - max p) (p - q)
};

// One value a scored token, in text order; `per_window` tokens belong to each window.
struct TokenScores {
  std::size_t per_window = 0;
  std::vector<double> original_nll, candidate_nll, kld;
  std::vector<std::uint8_t> same_top;
};

struct Estimate {
  double value = 0, standard_error = 0;
};

// What was lost. Standard errors by bootstrap over windows (tokens when there is a single window), 200 resamples, fixed
// seed.
struct Quality {
  std::uint64_t windows = 0, tokens = 0;
  Estimate original_perplexity, perplexity;
  Estimate perplexity_increase;           // perplexity / original - 1
  Estimate mean_kld, median_kld, kld_99;  // nats
  Estimate same_top;                      // fraction of tokens with the same most likely successor
};

// Seed of the bootstrap.
inline constexpr std::uint64_t kBootstrapSeed = 2026;

// Mean KL divergence, nats. Error(kInput) when a score is not finite or there is none.
double mean_kld(const TokenScores& scores);

// Error(kInput) as mean_kld.
Quality summarise(const TokenScores& scores);

}  // namespace quern
