// A file as a container's writer makes it, before any tensor is in it.
#pragma once

#include <cstdint>
#include <string>

namespace quern {

// `beginning`, and zeros up to `bytes`.
struct WrittenFile {
  std::string name, beginning;
  std::uint64_t bytes = 0;
};

}  // namespace quern
