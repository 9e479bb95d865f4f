// Most trainings end at once and know nothing of threads.
#include "codec/pooled_training.h"

namespace quern {

std::shared_ptr<const TensorSide> PooledTraining::finish() const {
  ThreadPool alone(1);
  return finish(alone);
}

std::shared_ptr<const TensorSide> finish_training(const TensorTraining& training, ThreadPool& pool) {
  const auto* pooled = dynamic_cast<const PooledTraining*>(&training);
  return pooled ? pooled->finish(pool) : training.finish();
}

}  // namespace quern
