// The programs that load what Quern writes, in the versions that it was seen to be loaded by.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace quern {

struct CheckedProgram {
  std::string_view name, version;
};

// As tools/peer_requirements.txt and tools/transformers_requirements.txt pin them for tests/peer; of llama.cpp the
// build that xllamacpp has inside, which is the last part of its version.
std::span<const CheckedProgram> checked_programs();

// "checked with transformers 5.23.0, bitsandbytes 0.50.2": of those that a sentence names; empty: it names none.
std::string checked_with(std::string_view sentence);

}  // namespace quern
