// Singular and plural.
#include "base/counted.h"

#include <fmt/core.h>

namespace quern {

std::string counted(std::uint64_t count, std::string_view thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

}  // namespace quern
