// The library's messages name the fields of its options; a person on a terminal is told the flag instead.
#pragma once

#include <string>
#include <string_view>

namespace quern::cli {

// `text` with the flag in place of each field that stands in it in back quotes: "give `gate_text`" becomes "give
// --gate-text".
std::string with_flags(std::string_view text);

}  // namespace quern::cli
