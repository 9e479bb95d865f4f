// Everything of a package but its tensors held against the original: headers, configuration, tokenizer, documents.
#pragma once

#include "package/verify_weights.h"

namespace quern {

// Copies byte for byte; what Quern writes itself is made again by what wrote it, and compared byte for byte too. What
// nothing but the options of that run decided is taken as the package has it: the importance matrix's text.
void compare_head(Verification& v, const ComparedModels& models);

}  // namespace quern
