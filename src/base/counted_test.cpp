// One is no plural; none is.
#include "base/counted.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

TEST(Counted, OneIsSingular) {
  EXPECT_EQ(counted(0, "file"), "0 files");
  EXPECT_EQ(counted(1, "file"), "1 file");
  EXPECT_EQ(counted(12, "prompt token"), "12 prompt tokens");
}

}  // namespace
}  // namespace quern
