// Lines with a title in front: "size      exactly 4,699,812 bytes, ...".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quern::cli {

// On a terminal of `columns` the text goes on under itself; absent: one line.
std::string titled(std::string_view title, const std::string& text, std::optional<std::size_t> columns);

// Lines that a terminal of `columns` has no room for go on under themselves, indented; on a narrow one they lose the
// width of their gaps. Absent: as they are. A word that is wider stays whole.
std::string fitted(std::string_view text, std::optional<std::size_t> columns);

// "3.1 GB expected; limit 12.6 GB: half of this machine's memory, --max-memory changes it".
std::string memory_and_limit(std::uint64_t expected, std::uint64_t limit, std::string_view reason);

}  // namespace quern::cli
