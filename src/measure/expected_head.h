// The KL divergence of many candidates from one original, for the price of the candidates' logits alone.
#pragma once

#include <vector>

#include "measure/evaluate.h"

namespace quern {

// With the original's probabilities p and a candidate's logits q = W h:
//   KL = sum p log p - sum p q + lse(q)   and   sum p q = (sum p W) h,
// so that an expected row of W for each scored position stands for all that the original's head has to say about
// candidates whose last product is W. The original's logits are computed twice here, and never again.
class ExpectedHead {
 public:
  // `rows`: the original's scored rows. `head`: has the W that all candidates share. REQUIRES: the windows outlive
  // this. Error(kInput) when the vocabularies differ in size.
  ExpectedHead(const WalkContext& original, const ActivationStore& rows, const WalkContext& head,
               const Windows& windows, std::uint64_t memory_limit);

  // Mean over the scored tokens, nats; equal to that of compare up to rounding (about 1e-7), of either sign.
  // Error(kInput) as mean_kld.
  double mean_kld(const WalkContext& candidate, const ActivationStore& rows) const;

 private:
  const Windows& windows_;
  ActivationStore expected_;         // sum e W of each scored position, where e are the p as they are rounded
  std::vector<LogitSums> original_;  // of each scored token
  struct Mass {
    double sum = 0, logits = 0;  // sums of e and of e times the original's logit
  };
  std::vector<Mass> masses_;  // of each
};

}  // namespace quern
