// Plans for a size: one of several codecs for every matrix, or for those that have one together, so that the predicted
// divergence is least.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "model/ternary_weights.h"
#include "plan/joint_options.h"
#include "plan/plan.h"
#include "plan/reach.h"
#include "plan/step_options.h"

namespace quern {

// The option that the plan has for the step; null: it has another codec.
const StepOption* option_of(const StepOptions& of_step, const Plan& plan);

struct SizedPlan {
  Plan plan;
  double kld = 0;                // predicted, the sum over all steps; nats
  std::optional<double> whole;   // measured of its files on the same windows, where that was done; nats
  std::uint64_t file_bytes = 0;  // of its files, once they were counted
};

// A size and the divergence that is predicted for it.
struct SizePoint {
  std::uint64_t bytes = 0;
  double kld = 0;  // nats
};

// Codecs worth trying for rows of `cols` weights, now stored as `source`: what the container holds within `reach` and
// has fewer bits (up to 16, where it does not hold the source's own), without those that another of larger blocks and
// hardly fewer bits replaces, and those for weights that were trained in them; last the source's own, where the
// container holds it.
std::vector<const Codec*> codecs_to_try(const Format& format, std::uint64_t cols, const Codec& source,
                                        Reach reach = Reach::kScalar);
// Of a tensor of the container: without those that it cannot have there, whatever its rows. With those of three values
// where the weight is one of `ternary`. Of codecs with a codebook, the largest of each rate that is at most a fiftieth
// of the tensor's codes.
std::vector<const Codec*> codecs_to_try(const Format& format, const Weight& weight, const ExportedWeight& output,
                                        const Codec& source, const TernaryForms& ternary = {},
                                        Reach reach = Reach::kScalar);

// The best choice of options that keeps to the rules, exactly, for at most `tensor_bytes` in all steps of `base`
// together. Of equal losses the one of fewer bytes, then of the first mix. Nothing when even the smallest options are
// more.
std::optional<SizedPlan> fit_plan(const Plan& base, std::span<const StepOptions> options, std::uint64_t tensor_bytes,
                                  const SizeRules& rules = {});

// The least predicted divergence against the bytes of all steps, from the smallest options to the best, rising in
// bytes: some good plans, about `points` of them.
std::vector<SizePoint> size_curve(const Plan& base, std::span<const StepOptions> options, std::size_t points,
                                  const SizeRules& rules = {});

// The sum of the least shares: what no size can better.
double least_loss(const Plan& base, std::span<const StepOptions> options, const SizeRules& rules = {});

// Bytes of all steps with the smallest options.
std::uint64_t least_tensor_bytes(const Plan& base, std::span<const StepOptions> options, const SizeRules& rules = {});

}  // namespace quern
