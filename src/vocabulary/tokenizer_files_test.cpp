// The files of a folder, read by the loader again.
#include "vocabulary/tokenizer_files.h"

#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "tokenizer/sentencepiece_proto.h"
#include "vocabulary/load_tokenizer.h"
#include "vocabulary/tokenizer_json.h"

namespace quern {
namespace {

Vocabulary sentencepiece(const char* name) {
  const std::string bytes = read_text(std::string(QUERN_TESTDATA "/text/") + name);
  return parse_sentencepiece_model(std::as_bytes(std::span(bytes)));
}

// A folder with these files beside weights without a tensor.
Checkpoint folder_of(const ScratchFolder& scratch, const std::vector<TextFile>& files, const Json& config) {
  const Format& format = find_format("safetensors");
  CheckpointHead head{.config = config, .companions = files};
  const auto writer = format.create(scratch.path(), head);
  writer->finish();
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path())) bytes += entry.file_size();
  EXPECT_EQ(bytes, format.file_bytes(head));
  return open_checkpoint(scratch.path());
}

void expect_kept(const Vocabulary& vocabulary) {
  const ScratchFolder scratch;
  Json config = Json::object();
  set_special_ids(config, vocabulary);
  std::vector<TextFile> files = tokenizer_files(vocabulary, {{kDefaultTemplate, "{{ messages }}"}});
  const Checkpoint folder = folder_of(scratch, files, config);
  const Vocabulary back = load_tokenizer(folder).vocabulary();
  EXPECT_EQ(back.model, vocabulary.model);
  EXPECT_EQ(back.pieces.size(), vocabulary.pieces.size());
  EXPECT_EQ(back.bos, vocabulary.bos);
  EXPECT_EQ(back.eos, vocabulary.eos);
  EXPECT_EQ(back.pad, vocabulary.pad);
  EXPECT_EQ(back.unknown, vocabulary.unknown);
  EXPECT_EQ(back.add_bos, vocabulary.add_bos);
  EXPECT_EQ(back.add_eos, vocabulary.add_eos);
  EXPECT_EQ(back.add_space_prefix, vocabulary.add_space_prefix);
  EXPECT_EQ(back.remove_extra_whitespaces, vocabulary.remove_extra_whitespaces);
  EXPECT_EQ(back.precompiled_charsmap, vocabulary.precompiled_charsmap);
  ASSERT_EQ(chat_templates(folder).size(), 1u);
  EXPECT_EQ(chat_templates(folder)[0].text, "{{ messages }}");
  const std::string text = "It's 12 words, of a caf\u00e9.";
  EXPECT_EQ(load_tokenizer(folder).encode(text), Tokenizer::from_vocabulary(vocabulary).encode(text));
}

TEST(TokenizerFiles, KeepEveryKindOfVocabulary) {
  expect_kept(sentencepiece("bpe.model"));
  expect_kept(sentencepiece("unigram.model"));
  Vocabulary bytes = parse_tokenizer_json(read_text(QUERN_TESTDATA "/text/gpt2.tokenizer.json"));
  bytes.eos = static_cast<std::int32_t>(bytes.pieces.size()) - 1;
  expect_kept(bytes);
  bytes.bos = bytes.eos;
  bytes.add_bos = true;
  expect_kept(bytes);
}

TEST(TokenizerFiles, PaddingOfAGgufFileIsLeftOut) {
  Vocabulary vocabulary = sentencepiece("bpe.model");
  const std::vector<TextFile> files = tokenizer_files(vocabulary, {});
  vocabulary.pieces.push_back({"[PAD400]", 0, Vocabulary::PieceType::kUnused});
  EXPECT_EQ(tokenizer_files(vocabulary, {}).front().text, files.front().text);
}

TEST(GenerationConfig, NamesEveryTokenThatEndsAText) {
  Vocabulary vocabulary = sentencepiece("bpe.model");
  const auto eos_of = [&](const std::set<std::int32_t>& ends) {
    return parse_json(generation_config(vocabulary, ends).text).at("eos_token_id");
  };
  EXPECT_EQ(eos_of({vocabulary.eos}), Json(vocabulary.eos));
  EXPECT_EQ(eos_of({vocabulary.eos, 9}), Json::array({vocabulary.eos, 9}));
}

}  // namespace
}  // namespace quern
