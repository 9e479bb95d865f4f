// What codecs, optimizers and schemes make of a few matrices and models, as lines of CSV.
#pragma once

#include <string>

namespace quern {

// Bytes, error and hash of matrices in every codec, by every optimizer. Error(kInternal) where 2 or 4 threads write
// other bytes than one.
std::string matrix_ledger();

// Bytes and hash of the weights' files of whole packages. Error(kInternal) as above.
std::string package_ledger();

}  // namespace quern
