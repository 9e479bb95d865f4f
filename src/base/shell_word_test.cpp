// Words as a shell reads them back.
#include "base/shell_word.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

TEST(ShellWord, IsTheWordItselfWhereNothingInItIsSpecial) {
  EXPECT_EQ(shell_word("models/llama-7m"), "models/llama-7m");
  EXPECT_EQ(shell_word(""), "''");
}

TEST(ShellWord, StandsBetweenApostrophes) {
  EXPECT_EQ(shell_word("my model"), "'my model'");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
  EXPECT_EQ(shell_word("caf\xc3\xa9"), "'caf\xc3\xa9'");
}

// Orders to a terminal, marks that turn the writing round, and what is no UTF-8.
TEST(ShellWord, HasEscapesForWhatCannotBeShown) {
  EXPECT_EQ(shell_word("a\nb"), "$'a\\x0ab'");
  EXPECT_EQ(shell_word("\x1b[31mit's"), "$'\\x1b[31mit\\'s'");
  EXPECT_EQ(shell_word("\xe2\x80\xaegguf"), "$'\\xe2\\x80\\xaegguf'");
  EXPECT_EQ(shell_word("\xff\\"), "$'\\xff\\\\'");
}

}  // namespace
}  // namespace quern
