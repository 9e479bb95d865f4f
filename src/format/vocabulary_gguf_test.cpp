// The vocabulary in GGUF metadata, and finding the tokenizer of a checkpoint.
#include "format/vocabulary_gguf.h"

#include "format/load_tokenizer.h"
#include "format/scratch_folder_test.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

Vocabulary toy() {
  Vocabulary v;
  v.pieces = {{"<unk>", 0, Type::kUnknown},
              {"<s>", 0, Type::kControl},
              {"</s>", 0, Type::kControl},
              {"<0x0A>", 0, Type::kByte},
              {"a", -1.5f, Type::kNormal}};
  v.unknown = 0;
  v.bos = 1;
  v.eos = 2;
  return v;
}

void expect_same(const Vocabulary& a, const Vocabulary& b) {
  EXPECT_EQ(a.model, b.model);
  ASSERT_EQ(a.pieces.size(), b.pieces.size());
  for (std::size_t i = 0; i < a.pieces.size(); ++i) {
    EXPECT_EQ(a.pieces[i].text, b.pieces[i].text);
    EXPECT_EQ(a.pieces[i].score, b.pieces[i].score);
    EXPECT_EQ(a.pieces[i].type, b.pieces[i].type);
  }
  EXPECT_EQ(std::tie(a.bos, a.eos, a.unknown, a.pad), std::tie(b.bos, b.eos, b.unknown, b.pad));
  EXPECT_EQ(std::tie(a.add_bos, a.add_eos, a.add_space_prefix, a.remove_extra_whitespaces),
            std::tie(b.add_bos, b.add_eos, b.add_space_prefix, b.remove_extra_whitespaces));
  EXPECT_EQ(a.precompiled_charsmap, b.precompiled_charsmap);
}

TEST(GgufVocabulary, EveryPropertyComesBack) {
  Metadata metadata;
  add_vocabulary(metadata, toy());
  expect_same(vocabulary_of(metadata), toy());
  EXPECT_EQ(metadata.text("tokenizer.ggml.model"), "llama");
  Vocabulary other = toy();
  other.model = Vocabulary::Model::kUnigram;
  other.pad = 3;
  other.add_bos = false;
  other.add_eos = true;
  other.add_space_prefix = false;
  other.remove_extra_whitespaces = true;
  other.precompiled_charsmap = std::string("\xff\0\1", 3);
  add_vocabulary(metadata, other);  // replaces the first
  expect_same(vocabulary_of(metadata), other);
  EXPECT_EQ(metadata.text("tokenizer.ggml.model"), "t5");
  add_vocabulary(metadata, toy());
  expect_same(vocabulary_of(metadata), toy());
}

TEST(GgufVocabulary, AbsentPairsTakeLlamaCppsDefaults) {
  Metadata metadata;
  add_vocabulary(metadata, toy());
  for (const char* key :
       {"bos_token_id", "eos_token_id", "unknown_token_id", "add_bos_token", "add_eos_token", "add_space_prefix"})
    metadata.erase(std::string("tokenizer.ggml.") + key);
  expect_same(vocabulary_of(metadata), toy());
  Vocabulary plain = toy();
  plain.pieces[1].type = Type::kNormal;
  plain.bos = -1;
  add_vocabulary(metadata, plain);
  EXPECT_EQ(vocabulary_of(metadata).bos, -1);
}

TEST(GgufVocabulary, ContradictionsAreRefused) {
  const auto refused = [](const char* key, MetaValue value) {
    Metadata metadata;
    add_vocabulary(metadata, toy());
    metadata.set(std::string("tokenizer.ggml.") + key, std::move(value));
    try {
      vocabulary_of(metadata);
      FAIL() << key;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
      EXPECT_NE(std::string(error.what()).find(key), std::string::npos) << error.what();
    }
  };
  refused("model", std::string("gpt2"));
  refused("model", 1.0f);
  refused("scores", MetaArray{std::vector<float>{1, 2}});
  refused("scores", MetaArray{std::vector<double>{1, 2, 3, 4, 5}});
  refused("token_type", MetaArray{std::vector<std::int32_t>{1}});
  refused("token_type", MetaArray{std::vector<std::int32_t>{1, 1, 1, 1, 7}});
  refused("tokens", MetaArray{std::vector<std::string>{}});
  refused("tokens", std::string("a"));
  refused("bos_token_id", std::uint32_t{5});
  refused("eos_token_id", std::int32_t{-1});
  refused("add_bos_token", std::uint32_t{1});
  EXPECT_THROW(vocabulary_of(Metadata()), Error);
  Vocabulary unescaped = toy();
  unescaped.escape_whitespaces = false;
  Metadata metadata;
  EXPECT_THROW(add_vocabulary(metadata, unescaped), Error);
}

TEST(LoadTokenizer, SaysWhatIsSupported) {
  const auto message = [](const std::string& name) -> std::string {
    const Checkpoint checkpoint = open_checkpoint(fixture(name));
    try {
      load_tokenizer(checkpoint);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message("sharded").find("only a tokenizer.json"), std::string::npos);
  EXPECT_NE(message("packed_int8").find("no tokenizer"), std::string::npos);
  EXPECT_NE(message("sharded").find("sentencepiece"), std::string::npos);
}

TEST(LoadTokenizer, TheVocabularyOfAFolderSurvivesGguf) {
  QUERN_NEEDS_SHARED("reference/llama-7m");
  const Tokenizer tokenizer = load_tokenizer(open_checkpoint(shared_folder() / "reference/llama-7m"));
  const ScratchFolder folder;
  CheckpointHead head;
  add_vocabulary(head.metadata, tokenizer.vocabulary());
  find_format("gguf").create(folder.path(), head)->finish();
  const Tokenizer again = load_tokenizer(open_checkpoint(folder.path()));
  expect_same(again.vocabulary(), tokenizer.vocabulary());
  const std::string text = "The river Thames, 346 km long.\n\tcaf\xc3\xa9 \xe2\x82\xac";
  EXPECT_EQ(again.encode(text), tokenizer.encode(text));
}

TEST(LoadTokenizer, TokenizerConfigIsHonoured) {
  QUERN_NEEDS_SHARED("reference/llama-3m");
  const ScratchFolder folder;
  for (const char* name : {"config.json", "tokenizer.model"})
    std::filesystem::copy(shared_folder() / "reference/llama-3m" / name, folder.path() / name);
  std::filesystem::copy(fixture("all_dtypes.safetensors"), folder.path() / "model.safetensors");
  const Tokenizer plain = load_tokenizer(open_checkpoint(folder.path()));
  folder.write("tokenizer_config.json", R"({"add_bos_token":false,"add_eos_token":true})");
  const Tokenizer changed = load_tokenizer(open_checkpoint(folder.path()));
  EXPECT_FALSE(changed.vocabulary().add_bos);
  EXPECT_TRUE(changed.vocabulary().add_eos);
  EXPECT_EQ(changed.encode("a river"), plain.encode("a river"));
  folder.write("tokenizer_config.json", R"({"add_bos_token":"no"})");
  EXPECT_THROW(load_tokenizer(open_checkpoint(folder.path())), Error);
}

}  // namespace
}  // namespace quern
