// What is written reads back as the same vocabulary, and the same text has the same ids.
#include <gtest/gtest.h>

#include "base/file.h"
#include "vocabulary/tokenizer_json.h"

namespace quern {
namespace {

void expect_written_back(const Vocabulary& a, const Vocabulary& b) {
  ASSERT_EQ(a.pieces.size(), b.pieces.size());
  for (std::size_t i = 0; i < a.pieces.size(); ++i) {
    EXPECT_EQ(a.pieces[i].text, b.pieces[i].text) << i;
    EXPECT_EQ(a.pieces[i].type, b.pieces[i].type) << i;
    EXPECT_EQ(a.pieces[i].in_normalized, b.pieces[i].in_normalized) << i;
  }
  EXPECT_EQ(a.merges, b.merges);
  EXPECT_EQ(a.split_patterns, b.split_patterns);
  EXPECT_EQ(a.unknown, b.unknown);
  EXPECT_EQ(a.nfc, b.nfc);
  EXPECT_EQ(a.ignore_merges, b.ignore_merges);
  EXPECT_EQ(a.add_space_prefix, b.add_space_prefix);
  EXPECT_EQ(a.add_bos, b.add_bos);
  EXPECT_EQ(a.add_eos, b.add_eos);
}

class TokenizerJsonWriter : public testing::TestWithParam<const char*> {
 protected:
  Vocabulary vocabulary =
      parse_tokenizer_json(read_text(std::string(QUERN_TESTDATA "/text/") + GetParam() + ".tokenizer.json"));
};

TEST_P(TokenizerJsonWriter, ReadsBack) {
  const std::string text = write_tokenizer_json(vocabulary);
  const Vocabulary back = parse_tokenizer_json(text);
  expect_written_back(vocabulary, back);
  EXPECT_EQ(write_tokenizer_json(back), text);
  const std::string words = "It's 1234 words,\n\n  of a caf\u00e9\u0301 <|endoftext|> and no more.";
  EXPECT_EQ(Tokenizer::from_vocabulary(vocabulary).encode(words), Tokenizer::from_vocabulary(back).encode(words));
}

TEST_P(TokenizerJsonWriter, WritesWhatIsAddedBesideTheText) {
  vocabulary.bos = 3;
  vocabulary.eos = 4;
  vocabulary.add_bos = vocabulary.add_eos = true;
  const Vocabulary back = parse_tokenizer_json(write_tokenizer_json(vocabulary));
  EXPECT_TRUE(back.add_bos && back.add_eos);
  EXPECT_EQ(back.bos, 3);
  EXPECT_EQ(back.eos, 4);
}

TEST_P(TokenizerJsonWriter, LeavesUnusedPiecesOut) {
  const std::string text = write_tokenizer_json(vocabulary);
  vocabulary.pieces.push_back({"[PAD]", 0, Vocabulary::PieceType::kUnused});
  EXPECT_EQ(write_tokenizer_json(vocabulary), text);
}

INSTANTIATE_TEST_SUITE_P(, TokenizerJsonWriter, testing::Values("gpt2", "llama3", "qwen2", "digits"));

}  // namespace
}  // namespace quern
