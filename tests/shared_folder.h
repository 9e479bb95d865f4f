// The optional folder ../shared beside the repository: reference models and texts too large to be part of it.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace quern {

inline std::filesystem::path shared_folder() { return std::filesystem::path(QUERN_SOURCE_DIR) / ".." / "shared"; }

// Skips the test with one line when the folder is absent; where QUERN_REQUIRE_SHARED is set that is a failure.
#define QUERN_NEEDS_SHARED(relative)                                                                      \
  if (!std::filesystem::exists(quern::shared_folder() / (relative))) {                                    \
    if (std::getenv("QUERN_REQUIRE_SHARED")) FAIL() << "../shared/" << (relative) << " is required here"; \
    GTEST_SKIP() << "../shared/" << (relative) << " is not there";                                        \
  }

}  // namespace quern
