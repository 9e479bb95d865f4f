// Both ways are encoded and measured: error feedback wins nearly always, and where it does not nobody should get it.
#include "compress/optimizer_choice.h"

#include "base/fail.h"
#include "compress/interaction.h"

namespace quern {

OptimizerChoice choose_optimizer(const Sizing& sizing) {
  Preparation& prep = sizing.prep;
  if (prep.options.optimizer != kMeasuredOptimizer || prep.given || !prep.hessians) return {prep.optimizer, {}};
  const Optimizer &feedback = best_optimizer(Optimizer::Needs::kHessian),
                  &rounding = best_optimizer(Optimizer::Needs::kMoments);
  if (!prep.texts.gate) return {&feedback, {}};
  const double with = measured_whole(sizing, prep.plan(&feedback)),
               without = measured_whole(sizing, prep.plan(&rounding));
  const Optimizer& better = with <= without ? feedback : rounding;
  return {
      &better,
      fmt::format("codes are chosen by {}: by the scheme alone, {:.5f} nats on the gate text with {}, {:.5f} with {}",
                  better.name, with, feedback.name, without, rounding.name)};
}

}  // namespace quern
