// Foreign text stays text.
#include "report/markdown_text.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

TEST(Markdown, LeavesNamesAndTakesMarkup) {
  EXPECT_EQ(markdown("llama-7m_q4.gguf, 4.5 bits"), "llama-7m_q4.gguf, 4.5 bits");
  EXPECT_EQ(markdown("a|b*c*`d`_e_<b>&amp;[x](y)"), "a\\|b\\*c\\*\\`d\\`\\_e\\_\\<b\\>\\&amp;\\[x\\](y)");
  EXPECT_EQ(markdown("see https://x.org, www.y.org"), "see https\\://x.org, www\\.y.org");
  EXPECT_EQ(markdown("# a\n- b\x1b\u202e"), "\\# a\\\\x0a- b\\\\x1b\\\\u202e");
}

TEST(Markdown, CodeHasTheBackticksThatItNeeds) {
  EXPECT_EQ(markdown_code("a|<b>"), "`a|<b>`");
  EXPECT_EQ(markdown_code("a`b``c"), "```a`b``c```");
  EXPECT_EQ(markdown_code("`a"), "`` `a ``");
  EXPECT_EQ(markdown_code(""), "");
  EXPECT_EQ(markdown_code("a\nb"), "`a\\x0ab`");
}

}  // namespace
}  // namespace quern
