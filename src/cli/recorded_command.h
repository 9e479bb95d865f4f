// The command line as a package records it.
#pragma once

#include <span>
#include <string>

namespace quern::cli {

// Words that a POSIX shell reads back as they are: what it would take apart is quoted. Of an absolute path only the
// last name is kept: where a person keeps their files is nobody else's concern.
std::string recorded_command(std::span<const std::string> arguments);

}  // namespace quern::cli
