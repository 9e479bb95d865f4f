// The reader of ModelProto on good, cut and wrong bytes.
#include "tokenizer/sentencepiece_proto.h"

#include <gtest/gtest.h>

#include <set>

#include "base/file.h"
#include "quern/error.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

Vocabulary parse(std::string_view bytes) { return parse_sentencepiece_model(std::as_bytes(std::span(bytes))); }

std::string message_of(std::string_view bytes) {
  try {
    parse(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    return error.what();
  }
  return "accepted";
}

std::string bpe_model() { return read_text(QUERN_TESTDATA "/text/bpe.model"); }

void expect_equal(const Vocabulary& a, const Vocabulary& b) {
  EXPECT_EQ(a.model, b.model);
  ASSERT_EQ(a.pieces.size(), b.pieces.size());
  for (std::size_t i = 0; i < a.pieces.size(); ++i) {
    EXPECT_EQ(a.pieces[i].text, b.pieces[i].text);
    EXPECT_EQ(a.pieces[i].score, b.pieces[i].score);
    EXPECT_EQ(a.pieces[i].type, b.pieces[i].type);
  }
  EXPECT_EQ(std::tie(a.bos, a.eos, a.unknown, a.pad), std::tie(b.bos, b.eos, b.unknown, b.pad));
  EXPECT_EQ(std::tie(a.add_space_prefix, a.remove_extra_whitespaces, a.escape_whitespaces, a.precompiled_charsmap),
            std::tie(b.add_space_prefix, b.remove_extra_whitespaces, b.escape_whitespaces, b.precompiled_charsmap));
}

TEST(SentencepieceProto, ReadsWhatSentencepieceWrote) {
  const Vocabulary bpe = parse(bpe_model());
  EXPECT_EQ(bpe.model, Vocabulary::Model::kBpe);
  ASSERT_EQ(bpe.pieces.size(), 400u);
  EXPECT_EQ(bpe.pieces[0].text, "<unk>");
  EXPECT_EQ(bpe.pieces[0].type, Type::kUnknown);
  EXPECT_EQ(bpe.pieces[1].type, Type::kControl);
  EXPECT_EQ(bpe.pieces[4].text, "<sep>");
  EXPECT_EQ(bpe.pieces[4].type, Type::kUserDefined);
  EXPECT_EQ(bpe.pieces[5].text, "<0x00>");
  EXPECT_EQ(bpe.pieces[5].type, Type::kByte);
  EXPECT_EQ(bpe.pieces[262].type, Type::kNormal);
  EXPECT_EQ(bpe.pieces[262].score, -1.0f);
  EXPECT_TRUE(bpe.add_space_prefix);
  EXPECT_FALSE(bpe.remove_extra_whitespaces);
  EXPECT_TRUE(bpe.precompiled_charsmap.empty());
  const Vocabulary unigram = parse(read_text(QUERN_TESTDATA "/text/unigram.model"));
  EXPECT_EQ(unigram.model, Vocabulary::Model::kUnigram);
  EXPECT_TRUE(unigram.remove_extra_whitespaces);
  EXPECT_GT(unigram.precompiled_charsmap.size(), 200000u);
}

TEST(SentencepieceProto, WritesWhatReadsBackEqual) {
  for (const char* name : {"bpe", "unigram"}) {
    const Vocabulary vocabulary = parse(read_text(std::string(QUERN_TESTDATA "/text/") + name + ".model"));
    expect_equal(parse(serialize_sentencepiece_model(vocabulary)), vocabulary);
  }
  Vocabulary odd = parse(bpe_model());
  odd.bos = -1;
  odd.pieces[1].type = Type::kUnused;
  odd.add_space_prefix = false;
  odd.remove_extra_whitespaces = true;
  odd.escape_whitespaces = false;
  expect_equal(parse(serialize_sentencepiece_model(odd)), odd);
}

TEST(SentencepieceProto, DefaultsAreThoseOfTheProto) {
  const Vocabulary empty = parse("");
  EXPECT_EQ(empty.model, Vocabulary::Model::kUnigram);
  EXPECT_TRUE(empty.add_space_prefix && empty.remove_extra_whitespaces && empty.escape_whitespaces);
  EXPECT_EQ(empty.bos, -1);
  const Vocabulary one = parse(std::string_view("\x0a\x03\x0a\x01x", 5));
  ASSERT_EQ(one.pieces.size(), 1u);
  EXPECT_EQ(one.pieces[0].type, Type::kNormal);
  EXPECT_EQ(one.pieces[0].score, 0.0f);
}

TEST(SentencepieceProto, EveryCutIsRefusedExceptBetweenFields) {
  const std::string model = bpe_model();
  std::size_t accepted = 0;
  for (std::size_t length = 0; length < model.size(); ++length) {
    const std::string message = message_of(std::string_view(model).substr(0, length));
    if (message == "accepted") {
      ++accepted;
    } else {
      EXPECT_EQ(message.find("not a sentencepiece model"), 0u) << length << ": " << message;
    }
  }
  EXPECT_EQ(accepted, 402u);  // before each of the 400 pieces and each of the two settings
}

TEST(SentencepieceProto, WrongBytesAreNamedWithTheirPosition) {
  using namespace std::string_view_literals;
  EXPECT_EQ(message_of("\x0d\0\0\0\0"sv),
            "not a sentencepiece model: field 1 at byte 0 has wire type 5, 2 was expected");
  EXPECT_EQ(message_of("\x0a\x03\x0a\x05x"sv),
            "not a sentencepiece model: a field that is longer than the message at byte 4");
  EXPECT_EQ(message_of("\x0a\x02\x18\x07"sv), "not a sentencepiece model: unknown piece type 7 at byte 2");
  EXPECT_EQ(message_of("\x0a\x02\x0a"sv),
            "not a sentencepiece model: a field that is longer than the message at byte 2");
  EXPECT_EQ(message_of("\x0b"sv), "not a sentencepiece model: unknown wire type at byte 0");
  EXPECT_EQ(message_of("\x02\x00"sv), "not a sentencepiece model: field number 0 at byte 0");
  EXPECT_EQ(message_of("\x80"sv), "not a sentencepiece model: an unfinished number at byte 1");
  EXPECT_EQ(message_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv),
            "not a sentencepiece model: a number of more than ten bytes at byte 10");
  EXPECT_EQ(message_of("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv),
            "not a sentencepiece model: a field that is longer than the message at byte 11");
  EXPECT_EQ(message_of("\x0a\x02\x10\x01"sv),
            "not a sentencepiece model: field 2 at byte 2 has wire type 0, 5 was expected");
}

TEST(SentencepieceProto, WordAndSuffixModelsAreRefused) {
  using namespace std::string_view_literals;
  EXPECT_EQ(message_of("\x12\x02\x18\x03"sv),
            "sentencepiece model type 3 is not supported; only Unigram (1) and BPE (2) are");
  EXPECT_NE(message_of("\x12\x03\xc0\x01\x01"sv).find("treat_whitespace_as_suffix"), std::string::npos);
}

TEST(SentencepieceProto, CorpusOfTheFuzzerNeverEscapesError) {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(QUERN_SOURCE_DIR "/fuzz/corpus/tokenizer")) {
    message_of(read_text(entry.path()));
    ++files;
  }
  EXPECT_GE(files, 4u);
}

}  // namespace
}  // namespace quern
