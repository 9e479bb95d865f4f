// The version of the program, as manifests and --version state it.
#pragma once

namespace quern {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace quern
