// BERT's vocab.txt against the ids of transformers' BertTokenizer (tools/make_tokenizer_fixtures.py).
#include "vocabulary/word_piece_list.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "quern/error.h"
#include "tokenizer/tokenizer.h"

namespace quern {
namespace {

using Ids = std::vector<std::int32_t>;

std::string fixture(const std::string& name) { return read_text(QUERN_TESTDATA "/text/pipelines/" + name); }

// Of word_piece.json, a piece a line.
std::string lines() {
  const Json model = parse_json(fixture("word_piece.json")).at("model");
  std::vector<std::string> texts(model.at("vocab").as_object().size());
  for (const auto& [text, id] : model.at("vocab").as_object()) texts.at(id.as_uint64()) = text;
  std::string all;
  for (const std::string& text : texts) all += text + "\n";
  return all;
}

Tokenizer tokenizer_of(std::string_view text, std::string_view config = "{}") {
  return Tokenizer::from_vocabulary(parse_word_piece_list(text, parse_json(config)));
}

void expect_golden(std::string_view config, const char* name) {
  const Tokenizer tokenizer = tokenizer_of(lines(), config);
  const Json golden = parse_json(fixture("golden_ids.json")).at(name);
  EXPECT_EQ(tokenizer.vocabulary().pieces.size(), golden.at("pieces").as_uint64());
  for (const Json& row : golden.at("rows").as_array()) {
    Ids ids;
    for (const Json& id : row.at("ids").as_array()) ids.push_back(static_cast<std::int32_t>(id.as_int64()));
    EXPECT_EQ(tokenizer.encode(row.at("text").as_string()), ids) << name << dump_json(row.at("text"));
  }
}

TEST(WordPieceList, IdsAreThoseOfTransformers) {
  expect_golden("{}", "vocab_txt");
  expect_golden(R"({"tokenizer_class":"DistilBertTokenizerFast","do_lower_case":false})", "vocab_txt_cased");
  expect_golden(R"({"strip_accents":false,"tokenize_chinese_chars":false})", "vocab_txt_accents");
}

TEST(WordPieceList, ATextStandsBetweenClsAndSep) {
  const Vocabulary vocabulary = parse_word_piece_list(lines(), Json::object());
  EXPECT_EQ(ids_before_text(vocabulary), Ids{2});
  EXPECT_EQ(ids_behind_text(vocabulary), Ids{3});
  EXPECT_EQ(vocabulary.pad, 0);
  EXPECT_EQ(vocabulary.unknown, 1);
}

TEST(WordPieceList, EmptyAndRepeatedLinesAreUnused) {
  const Tokenizer tokenizer = tokenizer_of("[UNK]\r\n\na\n[CLS]\n[SEP]\na", R"({"pad_token":{"content":"a"}})");
  EXPECT_EQ(tokenizer.encode("A"), Ids{5});
  EXPECT_EQ(tokenizer.encode("b"), Ids{0});
  EXPECT_EQ(tokenizer.vocabulary().pieces[1].type, Vocabulary::PieceType::kUnused);
  EXPECT_EQ(tokenizer.vocabulary().pieces[2].type, Vocabulary::PieceType::kUnused);
  EXPECT_EQ(tokenizer.vocabulary().pad, 5);
}

TEST(WordPieceList, WhatIsNoneIsRefused) {
  const auto refused = [](std::string_view text, std::string_view config, const std::string& part) {
    try {
      tokenizer_of(text, config);
      ADD_FAILURE() << "accepted; expected: " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  constexpr const char* kSmall = "[UNK]\n[CLS]\n[SEP]\na";
  EXPECT_NO_THROW(tokenizer_of(kSmall));
  refused("", "{}", "unk_token is \"[UNK]\"");
  refused("[UNK]\n[CLS]\na", "{}", "sep_token is \"[SEP]\", which is no piece");
  refused(kSmall, R"({"cls_token":"<s>"})", "cls_token is \"<s>\"");
  refused(kSmall, R"({"tokenizer_class":"EsmTokenizer"})", "\"EsmTokenizer\" splits text is not known");
  refused(kSmall, R"({"do_basic_tokenize":false})", "do_basic_tokenize");
  refused(kSmall, R"({"do_lower_case":"yes"})", "do_lower_case");
  refused("[UNK]\n[CLS]\n[SEP]\n\xff", "{}", "is not UTF-8");
  refused(std::string_view("[UNK]\n[CLS]\n[SEP]\na\0b", 20), "{}", "NUL byte");
  // Early: most of this text is never looked at.
  refused(kSmall + std::string(1 << 20, '\n'), "{}", "65537 of its first 65541 lines are empty or there twice");
  std::string repeated = kSmall;
  for (int i = 0; i < 70000; ++i) repeated += "\na";
  refused(repeated, "{}", "65537 of its first 65541 lines");
  refused(std::string((1 << 24) + 1, 'a'), "{}", "16777217 bytes");
}

}  // namespace
}  // namespace quern
