// Control bytes become visible.
#include "base/printable.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

TEST(Printable, EscapesControlBytesAndNothingElse) {
  EXPECT_EQ(printable("a\x1b[2J\tb\x7f\r"), "a\\x1b[2J\\x09b\\x7f\\x0d");
  EXPECT_EQ(printable("line\nline"), "line\nline");
  EXPECT_EQ(printable("caf\xc3\xa9 \\x"), "caf\xc3\xa9 \\x");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
}

}  // namespace
}  // namespace quern
