// Numbers of things, as a sentence has them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace quern {

// "1 file", "2 files". `thing`: one of them, with a plural in s.
std::string counted(std::uint64_t count, std::string_view thing);

}  // namespace quern
