// Cards as people write them; the values are PyYAML's.
#include "text/front_matter.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

TEST(FrontMatter, HasTextsAndListsOfTexts) {
  const Json found = front_matter(
      "---\n"
      "# a comment\n"
      "license: apache-2.0  # another\n"
      "language:\n- en\n- no\n"
      "tags: [a, 'b, c', \"d\\\"e\"]\n"
      "base_model:\n  - org/one   # the first\n  -   org/two\n"
      "widget:\n  - text: hello\n    more: x\n"
      "model-index:\n  - name: m\n    results:\n    - task: t\n"
      "'quoted key': it's plain\n"
      "url: https://example.org/a#b\n"
      "name: 'It''s'\n"
      "long: one\n  two\n"
      "empty:\nnothing: null\n"
      "text: |\n  first\n    second\n\nfolded: >-\n  a\n  b\n"
      "pipeline_tag: text-generation\n"
      "---\nlicense: mit\n");
  EXPECT_EQ(found.find("license")->as_string(), "apache-2.0");
  EXPECT_EQ(*found.find("language"), Json::array({"en", "no"}));
  EXPECT_EQ(*found.find("tags"), Json::array({"a", "b, c", "d\"e"}));
  EXPECT_EQ(*found.find("base_model"), Json::array({"org/one", "org/two"}));
  EXPECT_EQ(found.find("quoted key")->as_string(), "it's plain");
  EXPECT_EQ(found.find("url")->as_string(), "https://example.org/a#b");
  EXPECT_EQ(found.find("name")->as_string(), "It's");
  EXPECT_EQ(found.find("long")->as_string(), "one two");
  EXPECT_EQ(found.find("text")->as_string(), "first\n  second\n");
  EXPECT_EQ(found.find("pipeline_tag")->as_string(), "text-generation");
  EXPECT_EQ(found.find("empty"), nullptr);
  EXPECT_EQ(found.find("nothing"), nullptr);
  EXPECT_EQ(found.find("results"), nullptr);
}

TEST(FrontMatter, IsEmptyWhereTheCardBeginsOtherwise) {
  for (const char* card :
       {"", "# Title\n---\nlicense: mit\n---\n", "---", "--- \nlicense: mit\n", "\n---\nlicense: mit\n"})
    EXPECT_EQ(front_matter(card), Json::object()) << card;
}

// As PyYAML has them, but for halves of pairs and numbers beyond Unicode's, which it refuses.
TEST(FrontMatter, ReadsEscapesBetweenDoubleQuotes) {
  const Json found = front_matter(
      "---\na: \"Caf\\u00e9 \\xe9 \\U0001F600 \\ud83d\\ude00\"\nb: \"\\t\\\\\\\"\\/\\_\\e\\N\\L\"\nc: \"\\ud83d "
      "\\Uffffffff \\u12 \\x\"\n"
      "d: 'Caf\\u00e9'\n---\n");
  EXPECT_EQ(found.find("a")->as_string(), "Caf\u00e9 \u00e9 \U0001F600 \U0001F600");
  EXPECT_EQ(found.find("b")->as_string(), "\t\\\"/\u00a0\x1b\u0085\u2028");
  EXPECT_EQ(found.find("c")->as_string(), "\ufffd \ufffd u12 x");
  EXPECT_EQ(found.find("d")->as_string(), "Caf\\u00e9");
}

TEST(FrontMatter, PassesOverAListOfMappings) {
  EXPECT_EQ(front_matter("---\nlanguage:\n- name: en\n  more: x\n- name: de\nlicense: mit\n---\n"),
            Json::object({{"license", "mit"}}));
}

TEST(FrontMatter, ReadsListsOverSeveralLinesAndLineEndsOfWindows) {
  EXPECT_EQ(front_matter("---\r\ntags: [\r\n  a,\r\n  b\r\n]\r\nlicense: mit\r\n---\r\n"),
            Json::object({{"license", "mit"}, {"tags", Json::array({"a", "b"})}}));
}

}  // namespace
}  // namespace quern
