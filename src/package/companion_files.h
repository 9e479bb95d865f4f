// What lies beside the weights in a folder that is made from a file with everything in it.
#pragma once

#include "runtime/open_model.h"

namespace quern {

// Makes `config`, of the model alone, the head's, with the special tokens and the precision of the weights; adds the
// files of the tokenizer and of generation, where the source has a tokenizer. REQUIRES: the head's tensors.
void add_companions(CheckpointHead& head, const Json& config, const OpenModel& source);

}  // namespace quern
