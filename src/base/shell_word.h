// Words of a command that a person may paste.
#pragma once

#include <string>
#include <string_view>

namespace quern {

// The word as a POSIX shell reads it back: what it would take apart or replace stands between apostrophes.
std::string shell_word(std::string_view word);

}  // namespace quern
