// The vectors of RFC 4648, section 10.
#include "base/base64.h"

#include <gtest/gtest.h>

#include "quern/error.h"

namespace quern {
namespace {

TEST(Base64, VectorsOfTheStandard) {
  constexpr std::pair<const char*, const char*> kVectors[] = {{"", ""},
                                                              {"Zg==", "f"},
                                                              {"Zm8=", "fo"},
                                                              {"Zm9v", "foo"},
                                                              {"Zm9vYg==", "foob"},
                                                              {"Zm9vYmE=", "fooba"},
                                                              {"Zm9vYmFy", "foobar"}};
  for (const auto& [text, bytes] : kVectors) EXPECT_EQ(decode_base64(text), bytes);
  EXPECT_EQ(decode_base64("Zg"), "f");
  EXPECT_EQ(decode_base64("/+8A"), std::string("\xff\xef\0", 3));
}

TEST(Base64, OtherTextIsRefused) {
  for (const char* text : {"Z", "Zg=", "Zm9vY", "Zm 9", "Zm9-", "====", "Zg==Zg=="})
    EXPECT_THROW(decode_base64(text), Error) << text;
}

}  // namespace
}  // namespace quern
