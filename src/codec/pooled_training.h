// Training whose last step is long enough to be shared out over threads.
#pragma once

#include "base/thread_pool.h"
#include "codec/codec.h"

namespace quern {

class PooledTraining : public TensorTraining {
 public:
  // On the caller's thread alone.
  std::shared_ptr<const TensorSide> finish() const final;
  // The same bytes for any number of threads. REQUIRES: as ThreadPool::run.
  virtual std::shared_ptr<const TensorSide> finish(ThreadPool& pool) const = 0;
};

// TensorTraining::finish, on the pool's threads where it can use them. REQUIRES: not called from inside a task.
std::shared_ptr<const TensorSide> finish_training(const TensorTraining& training, ThreadPool& pool);

}  // namespace quern
