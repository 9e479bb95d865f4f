// Lists of words and characters against ids of Python's text.lower().split() and list(text), which is all that the
// project's own tokenizers do.
#include "vocabulary/word_list.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "quern/error.h"
#include "tests/shared_folder.h"
#include "tokenizer/tokenizer.h"

namespace quern {
namespace {

constexpr const char* kWords =
    R"({"vocab_size": 12, "token_to_id": {"<PAD>": 0, "<UNK>": 1, "<BOS>": 2, "<EOS>": 3, "the": 4, "fox.": 5,
        "\u00e4\u03c3\u03c2": 6, "a": 7}})";
constexpr const char* kCharacters =
    R"({"token2id": {"<PAD>": 0, "<UNK>": 1, "<BOS>": 2, "<EOS>": 3, " ": 4, "e": 5, "T": 6, "h": 7, "\u00e9": 8},
        "id2token": {"0": "<PAD>", "1": "<UNK>", "2": "<BOS>", "3": "<EOS>", "4": " ", "5": "e", "6": "T", "7": "h",
                     "8": "\u00e9"},
        "vocab_size": 20, "level": "char"})";

using Ids = std::vector<std::int32_t>;

Tokenizer word_list_tokenizer(std::string_view json) { return Tokenizer::from_vocabulary(parse_word_list(json)); }

TEST(WordList, LooksUpWordsInLowerCaseBetweenAnyWhiteSpace) {
  const Tokenizer words = word_list_tokenizer(kWords);
  EXPECT_EQ(words.encode("The FOX.\u00a0a\x1c"
                         "b \u3000\u0130 \u00c4\u03a3\u03a3 <BOS>\n"),
            (Ids{4, 5, 7, 1, 1, 6, 1}));
  EXPECT_EQ(words.decode(Ids{2, 4, 5, 1, 7, 3}), "the fox. <UNK> a");
  EXPECT_EQ(words.decode_piece(4), " the");
  EXPECT_EQ(words.decode_piece(11), "");
  EXPECT_EQ(words.encode(" \n\t "), Ids{});
  EXPECT_EQ(words.decode(Ids{}), "");
}

TEST(WordList, LooksUpCharactersAsTheyAre) {
  const Tokenizer characters = word_list_tokenizer(kCharacters);
  EXPECT_EQ(characters.encode("The h\u00e9\n<BOS>"), (Ids{6, 7, 5, 4, 7, 8, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(characters.decode(Ids{6, 7, 5, 4, 8}), "The \u00e9");
}

TEST(WordList, IdsWithoutATextAreUnused) {
  const Vocabulary vocabulary = parse_word_list(kWords);
  EXPECT_EQ(vocabulary.pieces.size(), 12u);
  EXPECT_EQ(vocabulary.pieces[7].type, Vocabulary::PieceType::kNormal);
  EXPECT_EQ(vocabulary.pieces[8].type, Vocabulary::PieceType::kUnused);
  EXPECT_EQ(vocabulary.unknown, 1);
  EXPECT_EQ(vocabulary.eos, 3);
  EXPECT_FALSE(vocabulary.add_bos);
}

void expect_refused(std::string_view json, const std::string& part) {
  try {
    word_list_tokenizer(json);
    ADD_FAILURE() << "accepted: " << json;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(WordList, WhatContradictsItselfIsRefused) {
  expect_refused("[]", "");
  expect_refused(R"({"vocab_size": 2})", "neither \"token2id\" nor");
  expect_refused(R"({"token2id": {"<UNK>": 0, "a": 1}})", "vocab_size");
  expect_refused(R"({"vocab_size": 2, "token2id": {"a": 0, "b": 1}})", "no unknown piece");
  expect_refused(R"({"vocab_size": 1, "token2id": {"<UNK>": 0, "b": 1}})", "but there are ids up to 1");
  expect_refused(R"({"vocab_size": 70000000000, "token2id": {"<UNK>": 0, "b": 1}})", "\"vocab_size\" is 70000000000");
  expect_refused(R"({"vocab_size": 2, "token2id": {"<UNK>": 0, "b": 0}})", "the same id 0");
  expect_refused(R"({"vocab_size": 2, "token2id": {"<UNK>": 0, "b": -1}})", "has the id -1");
  expect_refused(R"({"vocab_size": 2, "token2id": {"<UNK>": 0, "": 1}})", "is empty");
  expect_refused(R"({"vocab_size": 2, "token2id": {"<UNK>": 0, "b": 1}, "level": "byte"})", "\"level\" is \"byte\"");
  expect_refused(R"({"vocab_size": 2, "token2id": {"<UNK>": 0, "bc": 1}, "level": "char"})", "more than one character");
  expect_refused(R"({"vocab_size": 2, "token2id": {"<UNK>": 0, "b": 1}, "id2token": {"0": "<UNK>", "1": "c"}})",
                 "is another than");
  expect_refused(R"({"vocab_size": 2, "token2id": {"<UNK>": 0, "b": 1}, "id2token": {"0": "<UNK>"}})",
                 "is another than");
}

TEST(WordList, TheProjectsOwnFilesAreRead) {
  QUERN_NEEDS_SHARED("real/itera-lite");
  const std::filesystem::path folder = shared_folder() / "real/itera-lite";
  const Tokenizer words = word_list_tokenizer(read_text(folder / "tokenizer_2000.json"));
  EXPECT_EQ(words.vocabulary().pieces.size(), 2000u);
  EXPECT_EQ(words.encode("Once upon a time, there was a brave Fox. The fox loved to play!"),
            (Ids{20, 21, 5, 22, 11, 6, 5, 66, 110, 4, 16, 23, 7, 1}));
  const Tokenizer characters = word_list_tokenizer(read_text(folder / "tokenizer_tiny.json"));
  EXPECT_EQ(characters.vocabulary().pieces.size(), 8000u);
  EXPECT_EQ(characters.encode("The quick brown Fox"),
            (Ids{25, 18, 5, 4, 39, 20, 10, 15, 31, 4, 30, 7, 11, 24, 8, 4, 1, 11, 40}));
}

}  // namespace
}  // namespace quern
