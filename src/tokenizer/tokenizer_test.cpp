// Ids against those of the Python package sentencepiece (testdata/text/golden_ids.json, tools/make_text_fixtures.py).
#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/file.h"
#include "base/json.h"
#include "quern/error.h"
#include "tests/shared_folder.h"
#include "tokenizer/sentencepiece_proto.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

Tokenizer from_sentencepiece(std::span<const std::byte> model) {
  return Tokenizer::from_vocabulary(parse_sentencepiece_model(model));
}

Tokenizer load(const std::filesystem::path& path) {
  const std::string bytes = read_text(path);
  return from_sentencepiece(std::as_bytes(std::span(bytes)));
}

Tokenizer bpe() { return load(QUERN_TESTDATA "/text/bpe.model"); }

Json golden(const std::string& model) {
  return parse_json(read_text(QUERN_TESTDATA "/text/golden_ids.json")).at(model);
}

std::vector<std::int32_t> ids_of(const Json& array) {
  std::vector<std::int32_t> ids;
  for (const Json& id : array.as_array()) ids.push_back(static_cast<std::int32_t>(id.as_int64()));
  return ids;
}

void expect_golden(const Tokenizer& tokenizer, const Json& expected) {
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  EXPECT_EQ(vocabulary.bos, expected.at("bos").as_int64());
  EXPECT_EQ(vocabulary.eos, expected.at("eos").as_int64());
  EXPECT_EQ(vocabulary.unknown, expected.at("unknown").as_int64());
  EXPECT_EQ(vocabulary.pad, expected.at("pad").as_int64());
  EXPECT_EQ(vocabulary.pieces.size(), expected.at("pieces").as_uint64());
  for (const Json& row : expected.at("tricky").as_array()) {
    const std::string& text = row.at("text").as_string();
    const std::vector<std::int32_t> ids = ids_of(row.at("ids"));
    EXPECT_EQ(tokenizer.encode(text), ids) << dump_json(text);
    EXPECT_EQ(tokenizer.decode(ids), row.at("decoded").as_string()) << dump_json(text);
  }
}

void expect_golden_on_shared_texts(const Tokenizer& tokenizer, const Json& expected) {
  for (const Json& row : expected.at("shared").as_array()) {
    const std::string& file = row.at("file").as_string();
    const std::string text = read_text(shared_folder() / "text" / file).substr(0, row.at("bytes").as_uint64());
    EXPECT_EQ(tokenizer.encode(text), ids_of(row.at("ids"))) << file;
  }
}

class SmallModels : public testing::TestWithParam<const char*> {
 protected:
  Tokenizer original() const { return load(std::string(QUERN_TESTDATA "/text/") + GetParam() + ".model"); }
};
INSTANTIATE_TEST_SUITE_P(Tokenizer, SmallModels, testing::Values("bpe", "unigram"),
                         [](const auto& row) { return std::string(row.param); });

TEST_P(SmallModels, TrickyStringsGiveTheIdsOfThePythonPackage) { expect_golden(original(), golden(GetParam())); }

TEST_P(SmallModels, TheVocabularyAloneGivesTheSameIds) {
  expect_golden(Tokenizer::from_vocabulary(original().vocabulary()), golden(GetParam()));
}

TEST_P(SmallModels, SharedTextsGiveTheIdsOfThePythonPackage) {
  QUERN_NEEDS_SHARED("text");
  expect_golden_on_shared_texts(original(), golden(GetParam()));
}

TEST(Tokenizer, TheReferenceModelGivesTheIdsOfThePythonPackage) {
  QUERN_NEEDS_SHARED("reference/llama-7m/tokenizer.model");
  const Tokenizer tokenizer = load(shared_folder() / "reference/llama-7m/tokenizer.model");
  expect_golden(tokenizer, golden("reference"));
  expect_golden_on_shared_texts(tokenizer, golden("reference"));
  EXPECT_TRUE(tokenizer.vocabulary().precompiled_charsmap.empty());
}

TEST(Tokenizer, ALargeTextIsEncodedInOneCall) {
  QUERN_NEEDS_SHARED("reference/llama-7m/tokenizer.model");
  const Tokenizer tokenizer = load(shared_folder() / "reference/llama-7m/tokenizer.model");
  const std::string text = read_text(shared_folder() / "text/calib.txt");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
}

TEST_P(SmallModels, PiecesJoinedAreTheTextAfterItsFirstSpace) {
  const Tokenizer tokenizer = original();
  for (const std::string text : {"Hello, world", "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x98\x80<sep>x"}) {
    const std::vector<std::int32_t> ids = tokenizer.encode(text);
    std::string joined;
    for (const std::int32_t id : ids) joined += tokenizer.decode_piece(id);
    EXPECT_EQ(joined, " " + tokenizer.decode(ids)) << dump_json(text);
  }
  EXPECT_EQ(tokenizer.decode_piece(tokenizer.vocabulary().bos), "");
  EXPECT_EQ(tokenizer.decode_piece(tokenizer.vocabulary().unknown), " \xe2\x81\x87 ");
  EXPECT_THROW(tokenizer.decode_piece(-1), Error);
}

TEST(Tokenizer, BosIsAddedAndEosIsNotByDefault) {
  EXPECT_TRUE(bpe().vocabulary().add_bos);
  EXPECT_FALSE(bpe().vocabulary().add_eos);
}

void expect_input_error(const std::function<void()>& call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "accepted; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Tokenizer, TextThatIsNotUtf8IsRefusedWithItsPosition) {
  expect_input_error([] { bpe().encode("caf\xe9 au lait"); }, "byte 0xe9 at position 3");
}

TEST(Tokenizer, IdsOutsideTheVocabularyAreRefused) {
  for (const std::int32_t id : {-1, 400, 1 << 30}) {
    expect_input_error([&] { bpe().decode(std::vector<std::int32_t>{5, id}); }, "outside the vocabulary of 400 pieces");
  }
}

TEST(Tokenizer, AModelCutAnywhereIsRefusedOrWhole) {
  const std::string model = read_text(QUERN_TESTDATA "/text/bpe.model");
  std::size_t refused = 0;
  for (std::size_t length = 0; length < model.size(); ++length) {
    try {
      const auto tokenizer = from_sentencepiece(std::as_bytes(std::span(model)).first(length));
      EXPECT_EQ(tokenizer.vocabulary().pieces.size() > 261, true);  // after the last byte piece
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
      ++refused;
    }
  }
  EXPECT_GT(refused, model.size() * 9 / 10);
}

TEST(Tokenizer, OtherFilesAreRefused) {
  const std::string text = "{\"model\": {\"type\": \"BPE\"}}";
  expect_input_error([&] { from_sentencepiece(std::as_bytes(std::span(text))); }, "not a sentencepiece model");
}

struct Damage {
  const char* name;
  void (*apply)(Vocabulary&);
  const char* message;
};

class DamagedVocabulary : public testing::TestWithParam<Damage> {};
INSTANTIATE_TEST_SUITE_P(
    Tokenizer, DamagedVocabulary,
    testing::Values(
        Damage{"EmptyPiece", [](Vocabulary& v) { v.pieces[300].text.clear(); }, "piece 300 of the vocabulary is empty"},
        Damage{"TwicePiece", [](Vocabulary& v) { v.pieces[300].text = v.pieces[301].text; }, "is there twice"},
        Damage{"NulPiece", [](Vocabulary& v) { v.pieces[300].text = std::string("a\0b", 3); },
               "piece 300 of the vocabulary holds a NUL"},
        Damage{"NanScore", [](Vocabulary& v) { v.pieces[300].score = std::numeric_limits<float>::quiet_NaN(); },
               "has the score nan"},
        Damage{"NoUnknown", [](Vocabulary& v) { v.pieces[0].type = Type::kControl; }, "has 0 unknown pieces"},
        Damage{"TwoUnknown", [](Vocabulary& v) { v.pieces[1].type = Type::kUnknown; }, "has 2 unknown pieces"},
        Damage{"LostByte", [](Vocabulary& v) { v.pieces[9].type = Type::kNormal; }, "has 255 byte pieces"},
        Damage{"WrongByte", [](Vocabulary& v) { v.pieces[9].text = "<0xgg>"; },
               "\"<0xgg>\" of the vocabulary is not of the form"},
        Damage{"BosOutside", [](Vocabulary& v) { v.bos = 400; },
               "the bos id is 400, but the vocabulary has 400 pieces"},
        Damage{"EosOutside", [](Vocabulary& v) { v.eos = -2; }, "the eos id is -2"},
        Damage{"Empty", [](Vocabulary& v) { v = {}; }, "0 unknown pieces"},
        Damage{"RulesCut", [](Vocabulary& v) { v.precompiled_charsmap = "abc"; },
               "table of normalisation rules is broken"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_P(DamagedVocabulary, IsRefusedAndSaysWhy) {
  Vocabulary vocabulary = bpe().vocabulary();
  GetParam().apply(vocabulary);
  expect_input_error([&] { Tokenizer::from_vocabulary(vocabulary); }, GetParam().message);
}

// With the checks of the table removed this reads far outside it (seen under the address sanitizer).
TEST(Tokenizer, DamagedNormalisationRulesNeverReadOutside) {
  const Vocabulary good = load(QUERN_TESTDATA "/text/unigram.model").vocabulary();
  std::size_t refused = 0;
  for (std::size_t at = 4; at < 1028; at += 4) {
    Vocabulary bad = good;
    for (std::size_t i = 0; i < 4; ++i) bad.precompiled_charsmap[at + i] = '\x7f';
    try {
      Tokenizer::from_vocabulary(bad).encode("plain \xef\xbc\xa8\xef\xac\x81\xe2\x91\xa0 text");
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 100u);
  Vocabulary unended = good;
  unended.precompiled_charsmap.pop_back();
  unended.precompiled_charsmap.back() = 'x';
  expect_input_error([&] { Tokenizer::from_vocabulary(unended); }, "table of normalisation rules is broken");
}

}  // namespace
}  // namespace quern
