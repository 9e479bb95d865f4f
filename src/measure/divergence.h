// How far a candidate's predictions are from the original's, token by token, without ever holding a row of logits.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "quern/quality.h"
#include "tensor/tensor.h"

namespace quern {

// Running sums of one model over the vocabulary for one token, relative to the largest logit so far, as in the online
// softmax of Milakov and Gimelshein (2018).
class LogitSums {
 public:
  // Adds the logits of ids first .. first + size - 1; `target` is the id that follows in the text. Logits that are not
  // finite make every figure below NaN or infinite.
  void add(std::span<const float> logits, std::int32_t first, std::int32_t target);

  double log_sum() const;  // logarithm of the sum of exp(logit)
  double nll() const;      // of the target, nats
  float max() const { return max_; }
  std::int32_t top() const { return top_; }  // of equal logits the lower id

 private:
  friend class TokenDivergence;
  // Takes note of the ids first .. first + size - 1. Returns what sums taken relative to the largest logit before have
  // to be multiplied by.
  double raise(std::span<const float> logits, std::int32_t first);
  void note_target(std::span<const float> logits, std::int32_t first, std::int32_t target);

  float max_ = std::numeric_limits<float>::lowest();
  double sum_ = 0, target_ = 0;  // sum of exp(logit - max)
  std::int32_t top_ = -1;
};

// With logits p (original) and q (candidate): KL = sum softmax(p) (p - q) - lse(p) + lse(q).
class TokenDivergence {
 public:
  TokenDivergence() = default;
  // Of a model beside itself.
  explicit TokenDivergence(const LogitSums& both) : original_(both), candidate_(both) {}

  // As LogitSums::add.
  void add(std::span<const float> original, std::span<const float> candidate, std::int32_t first, std::int32_t target);

  double original_nll() const { return original_.nll(); }
  double candidate_nll() const { return candidate_.nll(); }
  double kld() const;  // nats, >= 0 up to rounding (2e-7 relative in each exponential); 0 for equal logits
  bool same_top() const { return original_.top() == candidate_.top(); }

 private:
  LogitSums original_, candidate_;
  double weighted_difference_ = 0;  // sum exp(p - max p) (p - q)
};

// One value a scored token, in text order; `per_window` tokens belong to each window.
struct TokenScores {
  std::size_t per_window = 0;
  std::vector<double> original_nll, candidate_nll, kld;
  std::vector<std::uint8_t> same_top;
};

// Seed of the bootstrap.
inline constexpr std::uint64_t kBootstrapSeed = 2026;

// Mean KL divergence, nats. Error(kInput) when a score is not finite or there is none.
double mean_kld(const TokenScores& scores);

// Error(kInput) as mean_kld.
Quality summarise(const TokenScores& scores);

}  // namespace quern
