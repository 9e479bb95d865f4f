// Tokenizers of every kind of model and part against the ids of the packages tokenizers, tiktoken and sentencepiece
// (tools/make_tokenizer_fixtures.py).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <span>
#include <tuple>

#include "base/file.h"
#include "base/json.h"
#include "quern/error.h"
#include "tokenizer/pre_tokenizers.h"
#include "vocabulary/rank_list.h"
#include "vocabulary/score_list.h"
#include "vocabulary/tokenizer_json.h"

namespace quern {
namespace {

using Ids = std::vector<std::int32_t>;

std::string fixture(const std::string& name) { return QUERN_TESTDATA "/text/pipelines/" + name; }

Json golden_pipeline(const std::string& name) { return parse_json(read_text(fixture("golden_ids.json"))).at(name); }

Ids pipeline_ids(const Json& row) {
  Ids ids;
  for (const Json& id : row.at("ids").as_array()) ids.push_back(static_cast<std::int32_t>(id.as_int64()));
  return ids;
}

Tokenizer tokenizer_of(std::string_view json) { return Tokenizer::from_vocabulary(parse_tokenizer_json(json)); }

void expect_golden_pipeline(const Tokenizer& tokenizer, const std::string& name) {
  const Json all = golden_pipeline(name);
  EXPECT_EQ(tokenizer.vocabulary().pieces.size(), all.at("pieces").as_uint64());
  for (const Json& row : all.at("rows").as_array())
    EXPECT_EQ(tokenizer.encode(row.at("text").as_string()), pipeline_ids(row)) << dump_json(row.at("text"));
}

class Pipelines : public testing::TestWithParam<const char*> {};

TEST_P(Pipelines, IdsAreThoseOfThePackage) {
  expect_golden_pipeline(tokenizer_of(read_text(fixture(GetParam() + std::string(".json")))), GetParam());
}

// Where no token is special: the package drops the unknown piece with them, and leaves bytes that are no text out.
TEST_P(Pipelines, TextComesBackAsFromThePackage) {
  const Tokenizer tokenizer = tokenizer_of(read_text(fixture(GetParam() + std::string(".json"))));
  const Json all = golden_pipeline(GetParam());
  std::size_t compared = 0;
  for (const Json& row : all.at("rows").as_array()) {
    const Ids ids = pipeline_ids(row);
    const bool is_plain = std::ranges::none_of(
        ids, [&](std::int32_t id) { return tokenizer.vocabulary().pieces[static_cast<std::size_t>(id)].is_added; });
    if (!is_plain) continue;
    EXPECT_EQ(tokenizer.decode(ids), row.at("decoded").as_string()) << dump_json(row.at("text"));
    ++compared;
  }
  EXPECT_GT(compared, 2u);
}

TEST_P(Pipelines, WhatIsWrittenReadsBack) {
  const Vocabulary before = parse_tokenizer_json(read_text(fixture(GetParam() + std::string(".json"))));
  const Vocabulary after = parse_tokenizer_json(write_tokenizer_json(before));
  EXPECT_EQ(std::tie(before.bos, before.eos, before.unknown, before.add_bos, before.add_eos),
            std::tie(after.bos, after.eos, after.unknown, after.add_bos, after.add_eos));
  expect_golden_pipeline(Tokenizer::from_vocabulary(after), GetParam());
}

INSTANTIATE_TEST_SUITE_P(, Pipelines,
                         testing::Values("bpe_prepend", "bpe_all_merges", "bpe_metaspace", "bpe_split", "bpe_suffix",
                                         "bpe_prefix", "bpe_words", "bytes_roberta", "bytes_digits", "unigram_t5",
                                         "unigram_bytes", "unigram_charsmap", "word_piece", "word_piece_cased",
                                         "word_level"),
                         [](const auto& row) { return std::string(row.param); });

TEST(PipelineParts, PiecesAreWrittenOneByOne) {
  const Tokenizer bpe = tokenizer_of(read_text(fixture("bpe_prepend.json")));
  std::string text;
  for (const std::int32_t id : bpe.encode("the caf\u00e9 \U0001f600")) text += bpe.decode_piece(id);
  EXPECT_EQ(text, " the caf\u00e9 \U0001f600");
  const Tokenizer words = tokenizer_of(read_text(fixture("word_piece.json")));
  text.clear();
  for (const std::int32_t id : words.encode("then the")) text += words.decode_piece(id);
  EXPECT_EQ(text, " then the");
}

// Were every length of the longest piece tried at every place, this would take hours.
TEST(PipelineParts, LongWordsOfWordPieceTakeTheirPieces) {
  constexpr std::size_t kWord = 100'000;
  Json vocabulary = Json::object({{"[UNK]", 0}, {"a", 1}, {"##b", 2}, {"##bb", 3}, {"##c", 4}});
  vocabulary.set(std::string(kWord, 'd'), 5);
  const Json model = Json::object({{"type", "WordPiece"},
                                   {"unk_token", "[UNK]"},
                                   {"continuing_subword_prefix", "##"},
                                   {"max_input_chars_per_word", INT64_MAX},
                                   {"vocab", std::move(vocabulary)}});
  const Tokenizer tokenizer =
      tokenizer_of(dump_json(Json::object({{"added_tokens", Json::array()}, {"model", model}})));
  const Ids ids = tokenizer.encode("a" + std::string(kWord, 'b'));
  ASSERT_EQ(ids.size(), 1 + kWord / 2);
  EXPECT_EQ(ids[0], 1);
  EXPECT_EQ(ids.back(), 3);
  EXPECT_EQ(tokenizer.encode("a" + std::string(kWord, 'b') + "d"), Ids{0});
  EXPECT_EQ(tokenizer.encode(std::string(kWord, 'd') + "c"), (Ids{5, 4}));
}

TEST(RankList, IdsAreThoseOfTiktoken) {
  const std::string list = read_text(fixture("ranks.tiktoken"));
  EXPECT_TRUE(is_rank_list(list));
  EXPECT_FALSE(is_rank_list("{}\n"));
  expect_golden_pipeline(Tokenizer::from_vocabulary(parse_rank_list(list, find_pre_tokenizer("gpt-2"))), "ranks");
}

void expect_refused(const std::function<void()>& call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "accepted; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(RankList, WhatIsNoneIsRefused) {
  const PreTokenizer* split = find_pre_tokenizer("gpt-2");
  expect_refused([&] { parse_rank_list("IQ== 0\nIg= 1\n", split); }, "line 2");
  expect_refused([&] { parse_rank_list("IQ== 0\nIg== 2\n", split); }, "line 2 has the rank 2, 1 was expected");
  expect_refused([&] { parse_rank_list("IQ==\n", split); }, "not base64 and a rank");
  expect_refused([&] { parse_rank_list("IQ== 0\n", nullptr); }, "does not say how it splits text");
}

TEST(ScoreList, IdsAreThoseOfSentencepiece) {
  const std::string list = read_text(fixture("tokenizer.bin"));
  expect_golden_pipeline(Tokenizer::from_vocabulary(parse_score_list(std::as_bytes(std::span(list)))), "scores");
}

TEST(ScoreList, WhatIsNoneIsRefused) {
  const std::string list = read_text(fixture("tokenizer.bin"));
  const auto refused = [](std::string_view bytes, const std::string& part) {
    expect_refused([&] { parse_score_list(std::as_bytes(std::span(bytes))); }, part);
  };
  refused("ab", "2 bytes");
  refused(std::string_view(list).substr(0, list.size() - 1), "is");
  refused("{\"a\": 1, \"b\": 2}", "the piece at byte 4");
}

std::string changed(const std::string& name, const char* part, Json value) {
  Json whole = parse_json(read_text(fixture(name)));
  whole.set(part, std::move(value));
  return dump_json(whole);
}

TEST(PipelineParts, UnknownPartsAreRefusedByName) {
  const auto refused = [](const char* part, const char* type) {
    const std::string json = changed("word_piece.json", part, Json::object({{"type", type}}));
    expect_refused([&] { tokenizer_of(json); }, fmt::format("\"{}\" is not supported", type));
  };
  refused("normalizer", "Rot13");
  refused("pre_tokenizer", "UnicodeScripts");
  refused("decoder", "CTC");
  refused("model", "Sparse");
  refused("post_processor", "Padding");
  Json deep = Json::object({{"type", "NFC"}});
  for (int i = 0; i < 20; ++i)
    deep = Json::object({{"type", "Sequence"}, {"normalizers", Json::array({std::move(deep)})}});
  expect_refused([&] { tokenizer_of(changed("word_piece.json", "normalizer", deep)); }, "deeper than 16");
}

}  // namespace
}  // namespace quern
