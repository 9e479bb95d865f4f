// What becomes of a folder that is where the result is to be written.
#pragma once

namespace quern {

enum class ExistingOutput {
  kRefuse,   // one that is not empty is an error
  kReplace,  // it stays until the new one is complete
};

}  // namespace quern
