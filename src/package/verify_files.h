// Every file that the manifest lists, and those that it does not.
#pragma once

#include "package/verification.h"

namespace quern {

// Sizes and hashes. Of a file of weights that changed, the tensors that did, its header, or the bytes between two
// tensors, which are zeros as written.
void check_files(Verification& v);

// Files and links that the manifest does not list: a problem where a program that opens the folder reads what is called
// so (weights, indices, configurations, tokenizers, templates, code), wherever in it; else a note. Hidden ones do not
// count.
void check_unlisted_files(Verification& v);

}  // namespace quern
