// What load_tokenizer.cpp reads, and what transformers' tokenizers need beside it.
#include "vocabulary/tokenizer_files.h"

#include <algorithm>

#include "base/fail.h"
#include "tokenizer/sentencepiece_proto.h"
#include "vocabulary/special_tokens.h"
#include "vocabulary/tokenizer_json.h"

namespace quern {
namespace {

struct ModelFile {
  Vocabulary::Model model;
  const char* name;
  const char* tokenizer_class;
  std::string (*write)(const Vocabulary&);
};
constexpr ModelFile kModelFiles[] = {
    {Vocabulary::Model::kBpe, "tokenizer.model", "LlamaTokenizer", serialize_sentencepiece_model},
    {Vocabulary::Model::kUnigram, "tokenizer.model", "T5Tokenizer", serialize_sentencepiece_model},
    {Vocabulary::Model::kByteBpe, "tokenizer.json", "PreTrainedTokenizerFast", write_tokenizer_json},
};

constexpr ModelFile kPipelineFile = {{}, "tokenizer.json", "PreTrainedTokenizerFast", write_tokenizer_json};

const ModelFile& file_of(const Vocabulary& vocabulary) {
  if (vocabulary.pipeline) return kPipelineFile;
  const auto row = std::ranges::find(kModelFiles, vocabulary.model, &ModelFile::model);
  if (row == std::end(kModelFiles))
    fail(ErrorCode::kInput, "a list of words or characters has no file that other programs read");
  return *row;
}

TextFile json_file(const char* name, const Json& json) { return {name, dump_json(json, 2) + "\n"}; }

}  // namespace

std::vector<TextFile> tokenizer_files(Vocabulary vocabulary, const std::vector<ChatTemplate>& templates) {
  while (!vocabulary.pieces.empty() && vocabulary.pieces.back().type == Vocabulary::PieceType::kUnused)
    vocabulary.pieces.pop_back();
  const ModelFile& file = file_of(vocabulary);
  Json config = Json::object({{"tokenizer_class", file.tokenizer_class},
                              {"add_bos_token", vocabulary.add_bos},
                              {"add_eos_token", vocabulary.add_eos},
                              {"add_prefix_space", vocabulary.add_space_prefix},
                              {"clean_up_tokenization_spaces", false}});
  for (const SpecialToken& row : kSpecialTokens)
    if (const std::int32_t id = vocabulary.*row.id; id >= 0) config.set(row.text_key, vocabulary.text_of(id));
  if (vocabulary.unknown >= 0) config.set("unk_token", vocabulary.text_of(vocabulary.unknown));
  if (!templates.empty()) config.set("chat_template", chat_template_json(templates));
  return {{file.name, file.write(vocabulary)}, json_file("tokenizer_config.json", config)};
}

TextFile generation_config(const Vocabulary& vocabulary, const std::set<std::int32_t>& ends) {
  Json config = Json::object();
  set_special_ids(config, vocabulary);
  if (ends.size() > 1) {
    Json all = Json::array();
    for (const std::int32_t id : ends) all.push_back(id);
    config.set("eos_token_id", std::move(all));
  }
  return json_file("generation_config.json", config);
}

void set_special_ids(Json& config, const Vocabulary& vocabulary) {
  for (const SpecialToken& row : kSpecialTokens)
    if (const std::int32_t id = vocabulary.*row.id; id >= 0) config.set(row.id_key, id);
}

}  // namespace quern
