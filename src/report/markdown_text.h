// Text for Markdown (GitHub's dialect, which the hub renders), from strings that nobody vouches for.
#pragma once

#include <string>
#include <string_view>

namespace quern {

// One line, printable, that renders as what it says, in a paragraph, a heading or a cell of a table: no markup, no
// HTML, no link.
std::string markdown(std::string_view text);

// The same as code, between as many backticks as it needs. Not for cells of tables.
std::string markdown_code(std::string_view text);

}  // namespace quern
