// What a tensor stores in Hyper-Compression, learnt in three passes over its weights: centre and deviation; the
// farthest pair; the error of every number of classes.
#pragma once

#include <memory>

#include "codec/hyper_side.h"

namespace quern {

// Of weights that are not finite it learns nothing. `setting` must outlive it.
std::unique_ptr<TensorTraining> train_hyper(const HyperSetting& setting, HyperCoding coding);

}  // namespace quern
