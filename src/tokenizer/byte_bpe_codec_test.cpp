// Ids of byte-level BPE against those of the Python package tokenizers (testdata/text/golden_bpe_ids.json,
// tools/make_text_fixtures.py).
#include <gtest/gtest.h>

#include <functional>

#include "base/file.h"
#include "base/json.h"
#include "quern/error.h"
#include "tests/shared_folder.h"
#include "text/text_splitter.h"
#include "text/unicode_text.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pre_tokenizers.h"
#include "vocabulary/tokenizer_json.h"

namespace quern {
namespace {

using Ids = std::vector<std::int32_t>;
using Type = Vocabulary::PieceType;

std::string fixture_text(const std::string& name) {
  return read_text(std::string(QUERN_TESTDATA "/text/") + name + ".tokenizer.json");
}

Vocabulary vocabulary_named(const std::string& name) { return parse_tokenizer_json(fixture_text(name)); }

Tokenizer tokenizer_named(const std::string& name) { return Tokenizer::from_vocabulary(vocabulary_named(name)); }

Json golden_bpe(const std::string& name) {
  return parse_json(read_text(QUERN_TESTDATA "/text/golden_bpe_ids.json")).at(name);
}

Ids byte_bpe_ids(const Json& array) {
  Ids ids;
  for (const Json& id : array.as_array()) ids.push_back(static_cast<std::int32_t>(id.as_int64()));
  return ids;
}

std::string pieces_joined(const Tokenizer& tokenizer, const Ids& ids) {
  std::string text;
  for (const std::int32_t id : ids) text += tokenizer.decode_piece(id);
  return text;
}

void expect_golden_byte_bpe(const Tokenizer& tokenizer, const Json& expected) {
  EXPECT_EQ(tokenizer.vocabulary().pieces.size(), expected.at("pieces").as_uint64());
  for (const Json& row : expected.at("tricky").as_array()) {
    const std::string& text = row.at("text").as_string();
    const Ids ids = byte_bpe_ids(row.at("ids"));
    EXPECT_EQ(tokenizer.encode(text), ids) << dump_json(text);
    const Json* decoded = row.find("decoded");  // absent where the package breaks an added piece beyond ASCII
    EXPECT_EQ(tokenizer.decode(ids), decoded ? decoded->as_string() : normal_form(text, NormalForm::kNfc))
        << dump_json(text);
    EXPECT_EQ(pieces_joined(tokenizer, ids), tokenizer.decode(ids)) << dump_json(text);
  }
}

class ByteBpeModels : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Tokenizer, ByteBpeModels, testing::Values("gpt2", "qwen2", "llama3", "digits"),
                         [](const auto& row) { return std::string(row.param); });

TEST_P(ByteBpeModels, TrickyStringsGiveTheIdsOfThePythonPackage) {
  expect_golden_byte_bpe(tokenizer_named(GetParam()), golden_bpe(GetParam()));
}

TEST_P(ByteBpeModels, SharedTextsGiveTheIdsOfThePythonPackage) {
  QUERN_NEEDS_SHARED("text");
  const Tokenizer tokenizer = tokenizer_named(GetParam());
  const Json expected = golden_bpe(GetParam());
  for (const Json& row : expected.at("shared").as_array()) {
    const std::string& file = row.at("file").as_string();
    const std::string text = read_text(shared_folder() / "text" / file).substr(0, row.at("bytes").as_uint64());
    EXPECT_EQ(tokenizer.encode(text), byte_bpe_ids(row.at("ids"))) << file;
  }
}

TEST_P(ByteBpeModels, ALargeTextComesBack) {
  QUERN_NEEDS_SHARED("text");
  const Tokenizer tokenizer = tokenizer_named(GetParam());
  const std::string text = read_text(shared_folder() / "text/calib.txt");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
}

// A fast merge of long words and short ones, and no memory of the backtracking search: 300 KB each without a break.
TEST_P(ByteBpeModels, LongRunsAreEncodedQuickly) {
  const Tokenizer tokenizer = tokenizer_named(GetParam());
  for (const char* unit : {"a", " ", "\n", "the", "'", "0", "\xe4\xb8\xad", " \n", "!", "\xcc\x81"}) {
    std::string text;
    while (text.size() < 300'000) text += unit;
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text) << dump_json(unit);
  }
}

TEST(ByteBpe, ASpaceIsPutBeforeEveryPartOfTheTextWhereTheFileSaysSo) {
  std::string text = fixture_text("gpt2");
  const std::string off = "\"add_prefix_space\":false";
  text.replace(text.find(off), off.size(), "\"add_prefix_space\":true");
  expect_golden_byte_bpe(Tokenizer::from_vocabulary(parse_tokenizer_json(text)), golden_bpe("gpt2_with_prefix"));
}

TEST(ByteBpe, VocabAndMergesFilesGiveTheSameIds) {
  const Json whole = parse_json(fixture_text("gpt2"));
  std::string merges = "#version: 0.2\n";
  for (const Json& merge : whole.at("model").at("merges").as_array()) merges += merge.as_string() + "\r\n";
  const std::string vocab = dump_json(whole.at("model").at("vocab"));
  const Vocabulary files = parse_vocabulary_files(vocab, merges, *find_pre_tokenizer("gpt-2"));
  const Vocabulary one = vocabulary_named("gpt2");
  EXPECT_EQ(files.merges, one.merges);
  EXPECT_EQ(files.split_patterns, one.split_patterns);
  const std::string text = "It's 12 o'clock,  said the  Thames \xf0\x9f\x98\x80.\n";
  EXPECT_EQ(Tokenizer::from_vocabulary(files).encode(text), Tokenizer::from_vocabulary(one).encode(text));
}

TEST(ByteBpe, IgnoreMergesAndNfcChangeIds) {
  Vocabulary vocabulary = vocabulary_named("llama3");
  ASSERT_TRUE(vocabulary.ignore_merges);
  EXPECT_EQ(tokenizer_named("llama3").encode(" unreachable").size(), 1u);
  vocabulary.ignore_merges = false;
  EXPECT_GT(Tokenizer::from_vocabulary(vocabulary).encode(" unreachable").size(), 1u);
  vocabulary = vocabulary_named("qwen2");
  ASSERT_TRUE(vocabulary.nfc);
  const std::string decomposed = "cafe\xcc\x81";
  EXPECT_EQ(tokenizer_named("qwen2").decode(tokenizer_named("qwen2").encode(decomposed)), "caf\xc3\xa9");
  vocabulary.nfc = false;
  const Tokenizer plain = Tokenizer::from_vocabulary(vocabulary);
  EXPECT_EQ(plain.decode(plain.encode(decomposed)), decomposed);
}

TEST(ByteBpe, TheTemplateSaysWhetherBosIsAdded) {
  const Vocabulary with = vocabulary_named("llama3"), without = vocabulary_named("qwen2");
  EXPECT_TRUE(with.add_bos);
  EXPECT_EQ(with.pieces[static_cast<std::size_t>(with.bos)].text, "<|im_start|>");
  EXPECT_FALSE(with.add_eos);
  EXPECT_FALSE(without.add_bos);
  EXPECT_EQ(without.bos, -1);
}

TEST(ByteBpe, OnePieceMayBePartOfACharacter) {
  const Tokenizer tokenizer = tokenizer_named("gpt2");
  const Ids ids = tokenizer.encode("\xf0\x9f\x98\x80");
  ASSERT_GT(ids.size(), 1u);
  EXPECT_LT(tokenizer.decode_piece(ids[0]).size(), 4u);
  EXPECT_EQ(pieces_joined(tokenizer, ids), "\xf0\x9f\x98\x80");
}

TEST(ByteBpe, KnownPreTokenizersAreFoundByTheirPatterns) {
  const std::pair<const char*, const char*> names[] = {
      {"gpt2", "gpt-2"}, {"qwen2", "qwen2"}, {"llama3", "llama-bpe"}, {"digits", "smollm"}};
  for (const auto& [file, name] : names) {
    const PreTokenizer* row = pre_tokenizer_of(vocabulary_named(file));
    ASSERT_TRUE(row) << file;
    EXPECT_STREQ(row->name, name);
  }
  Vocabulary other = vocabulary_named("gpt2");
  other.split_patterns = {"\\S+"};
  EXPECT_EQ(pre_tokenizer_of(other), nullptr);
}

TEST(ByteAlphabet, EveryByteComesBackAndOtherTextIsNone) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  EXPECT_EQ(bytes_of_alphabet(alphabet_of_bytes(bytes)), bytes);
  EXPECT_EQ(alphabet_of_bytes(" \n\xad"), "\xc4\xa0\xc4\x8a\xc5\x83");
  for (const char* text : {" ", "\n", "\xc2\xa0", "\xc5\x84", "\xe4\xb8\xad", "\xc4", "\xff"})
    EXPECT_EQ(bytes_of_alphabet(text), std::nullopt) << dump_json(text);
}

void expect_refusal(const std::function<void()>& call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "accepted; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

struct Edit {
  const char* name;
  const char* find;  // in the qwen2 fixture; its first place
  const char* replacement;
  const char* message;
};

class EditedTokenizerJson : public testing::TestWithParam<Edit> {};
INSTANTIATE_TEST_SUITE_P(
    ByteBpe, EditedTokenizerJson,
    testing::Values(
        Edit{"WordPiece", R"("type":"BPE")", R"("type":"WordPiece")", "no unknown piece"},
        Edit{"Unigram", R"("type":"BPE")", R"("type":"Unigram")", "expected an array"},
        Edit{"Dropout", R"("dropout":null)", R"("dropout":0.1)", "with \"dropout\""},
        Edit{"Unknown", R"("unk_token":null)", R"("unk_token":"<none>")", "\"<none>\" is no piece"},
        Edit{"Normalizer", R"({"type":"NFC"})", R"({"type":"Rot13"})", "normalizer \"Rot13\" is not supported"},
        Edit{"NormalizerWithoutType", R"({"type":"NFC"})", R"({})", "type"},
        Edit{"PreTokenizer", R"("type":"Sequence","pretokenizers")", R"("type":"UnicodeScripts","pretokenizers")",
             "pre_tokenizer \"UnicodeScripts\" is not supported"},
        Edit{"Behavior", R"("behavior":"Isolated")", R"("behavior":"Sideways")",
             "the behavior \"Sideways\" is not known"},
        Edit{"OpenBracket", R"({"Regex":"(?i:)", R"({"Regex":"((?i:)", "is not a regular expression"},
        Edit{"EmptyAdded", R"("content":"<tool>")", R"("content":"")", "is empty"},
        Edit{"NulAdded", R"("content":"<tool>")", R"("content":"a\u0000b")", "holds a NUL byte"},
        Edit{"AddedElsewhere", R"("content":"<tool>")", R"("content":"in")", "in the vocabulary it is"},
        Edit{"AddedOnTaken", R"("id":702)", R"("id":5)", "have the same id 5"},
        Edit{"Decoder", R"("decoder":{"type":"ByteLevel")", R"("decoder":{"type":"CTC")", "decoder \"CTC\""},
        Edit{"PostProcessor", R"("post_processor":{"type":"ByteLevel")", R"("post_processor":{"type":"Padding")",
             "post_processor \"Padding\""},
        Edit{"SameId", R"("\"":1,)", R"("\"":2,)", "have the same id 2"},
        Edit{"NegativeId", R"("\"":1,)", R"("\"":-1,)", "the id -1"},
        Edit{"HugeId", R"("\"":1,)", R"("\"":4294967296,)", "not one of 31 bits"},
        Edit{"ManyHoles", R"("\"":1,)", R"("\"":2147483647,)", "ids have no piece"},
        Edit{"TextId", R"("\"":1,)", R"("\"":"1",)", "64-bit integer"},
        Edit{"SameText", R"("\"":1,)", R"("!":1,)", "appears twice"},
        Edit{"UnknownSide", R"("merges":[[")", R"("merges":[["zq)", "which is no piece of the vocabulary"},
        Edit{"ThreeSides", R"("merges":[[)", R"("merges":[["a","b","c"],[)", "a merge of 3 pieces"},
        Edit{"OneWord", R"("merges":[[)", R"("merges":["ab",[)", "is not two pieces"},
        Edit{"NoResult", R"("merges":[[)", R"("merges":[["z","!"],[)", "gives no piece"},
        Edit{"NumberAsMerge", R"("merges":[[)", R"("merges":[5,[)", "expected an array"},
        Edit{"NoVocab", R"("vocab":{)", R"("pieces":{)", "vocab"},
        Edit{"NoModel", R"("model":{)", R"("mode":{)", "model"},
        Edit{"NotUtf8", R"("vocab":{)", "\"vocab\":{\"\xff\":9000,", "not valid JSON"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_P(EditedTokenizerJson, IsRefusedAndSaysWhy) {
  std::string text = fixture_text("qwen2");
  const std::size_t at = text.find(GetParam().find);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, std::string_view(GetParam().find).size(), GetParam().replacement);
  expect_refusal([&] { Tokenizer::from_vocabulary(parse_tokenizer_json(text)); }, GetParam().message);
}

// Two tokens on a side, and a token of two ids.
TEST(ByteBpe, ATemplateMayHaveSeveralTokensOnASide) {
  Json json = parse_json(fixture_text("gpt2"));
  json.set("post_processor", parse_json(R"({"type":"Sequence","processors":[{"type":"TemplateProcessing",
    "single":[{"SpecialToken":{"id":"a","type_id":0}},{"SpecialToken":{"id":"b","type_id":0}},
              {"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"a","type_id":0}}],"pair":[],
    "special_tokens":{"a":{"id":"a","ids":[5,6],"tokens":["x","y"]},"b":{"id":"b","ids":[7],"tokens":["z"]}}}]})"));
  const Vocabulary vocabulary = parse_tokenizer_json(dump_json(json));
  EXPECT_EQ(ids_before_text(vocabulary), (Ids{5, 6, 7}));
  EXPECT_EQ(ids_behind_text(vocabulary), (Ids{5, 6}));
  EXPECT_EQ(vocabulary.bos, -1);
  const Vocabulary again = parse_tokenizer_json(write_tokenizer_json(vocabulary));
  EXPECT_EQ(ids_before_text(again), ids_before_text(vocabulary));
  EXPECT_EQ(ids_behind_text(again), ids_behind_text(vocabulary));
  Json twice = json.at("post_processor");
  twice.set("processors", Json::array({twice.at("processors").as_array()[0], twice.at("processors").as_array()[0]}));
  json.set("post_processor", twice);
  expect_refusal([&] { parse_tokenizer_json(dump_json(json)); }, "of two parts that add special tokens");
  Vocabulary outside = vocabulary;
  outside.behind_text.push_back(100000);
  expect_refusal([&] { Tokenizer::from_vocabulary(outside); }, "the id 100000 is added to texts");
}

TEST(ByteBpe, AMergeThatIsThereTwiceIsRefused) {
  Vocabulary vocabulary = vocabulary_named("gpt2");
  vocabulary.merges.push_back(vocabulary.merges[3]);
  expect_refusal([&] { Tokenizer::from_vocabulary(vocabulary); }, "is there twice");
  vocabulary.merges.back() = {0, 100000};
  expect_refusal([&] { Tokenizer::from_vocabulary(vocabulary); }, "is of the piece 100000");
  vocabulary.merges.back() = {-1, 0};
  expect_refusal([&] { Tokenizer::from_vocabulary(vocabulary); }, "is of the piece -1");
}

// As the writer puts it where a GGUF file's unknown piece is a control piece.
TEST(ByteBpe, TheUnknownPieceMayBeAnAddedToken) {
  std::string text = fixture_text("qwen2");
  const std::string null = R"("unk_token":null)";
  text.replace(text.find(null), null.size(), R"("unk_token":"<|endoftext|>")");
  const Vocabulary vocabulary = parse_tokenizer_json(text);
  ASSERT_GE(vocabulary.unknown, 0);
  EXPECT_EQ(vocabulary.pieces[static_cast<std::size_t>(vocabulary.unknown)].text, "<|endoftext|>");
}

TEST(ByteBpe, IdsWithoutAPieceBecomeUnusedPieces) {
  std::string text = fixture_text("qwen2");
  text.replace(text.find("\"id\":707"), 8, "\"id\":709");
  const Vocabulary vocabulary = parse_tokenizer_json(text);
  ASSERT_EQ(vocabulary.pieces.size(), 710u);
  EXPECT_EQ(vocabulary.pieces[708].text, "[PAD708]");
  EXPECT_EQ(vocabulary.pieces[708].type, Type::kUnused);
  EXPECT_EQ(Tokenizer::from_vocabulary(vocabulary).decode_piece(708), "");
}

TEST(ByteBpe, AByteWithoutAPieceIsRefusedOrUnknown) {
  Vocabulary vocabulary = vocabulary_named("gpt2");
  for (Vocabulary::Piece& piece : vocabulary.pieces)
    if (piece.text == "Z") piece.text = "[no longer Z]";
  expect_refusal([&] { Tokenizer::from_vocabulary(vocabulary).encode("aZ"); }, "no piece for the byte 0x5a");
  vocabulary.unknown = 0;
  EXPECT_EQ(Tokenizer::from_vocabulary(vocabulary).encode("Z"), Ids{0});
}

TEST(ByteBpe, APatternThatTakesForeverIsStopped) {
  Vocabulary vocabulary = vocabulary_named("gpt2");
  vocabulary.split_patterns = {"(a+)+(?!a)b"};
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(vocabulary);
  expect_refusal([&] { tokenizer.encode(std::string(64, 'a')); }, "takes too much time");
  vocabulary.split_patterns = {"(?:a|aa)+b"};
  expect_refusal([&] { Tokenizer::from_vocabulary(vocabulary).encode(std::string(3'000'000, 'a')); }, "takes too much");
}

TEST(ByteBpe, DeepAndCutFilesAreRefused) {
  expect_refusal([] { parse_tokenizer_json(std::string(100'000, '[')); }, "nested deeper");
  const std::string text = fixture_text("gpt2");
  for (std::size_t length = 0; length < text.size(); length += 97)
    EXPECT_THROW(parse_tokenizer_json(std::string_view(text).substr(0, length)), Error);
}

}  // namespace
}  // namespace quern
