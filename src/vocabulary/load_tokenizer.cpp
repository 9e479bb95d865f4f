// Looks among the checkpoint's files first, then in its metadata.
#include "vocabulary/load_tokenizer.h"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "base/fail.h"
#include "base/file.h"
#include "base/python_json.h"
#include "checkpoint/described_files.h"
#include "checkpoint/hf_folder.h"
#include "tokenizer/sentencepiece_proto.h"
#include "vocabulary/added_tokens.h"
#include "vocabulary/rank_list.h"
#include "vocabulary/score_list.h"
#include "vocabulary/special_tokens.h"
#include "vocabulary/tokenizer_json.h"
#include "vocabulary/vocabulary_gguf.h"
#include "vocabulary/word_list.h"
#include "vocabulary/word_piece_list.h"

namespace quern {
namespace {

constexpr const char* kTokenizerConfig = "tokenizer_config.json";

// Calls `read` with the file's text, or not at all when there is no such file.
template <typename Read>
void read_file(const SourceFile* file, Read&& read) {
  if (!file) return;
  with_context(fmt::format("while reading {}", file->path.string()), [&] {
    const std::string text = read_text(file->path);
    if (text.starts_with("version https://git-lfs"))
      fail(ErrorCode::kInput,
           "it is a pointer of Git LFS, not the file itself; run `git lfs pull` in its repository, or download the "
           "file");
    read(text);
  });
}

// Enough to tell what kind a file is of.
std::string first_bytes(const std::filesystem::path& path) {
  const File file(path);
  std::string bytes(std::min<std::uint64_t>(file.size(), 1024), '\0');
  file.read(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

void set_flag(const Json& config, const char* key, bool& flag) {
  if (const Json* value = config.find(key); value && !value->is_null())
    flag = with_context(fmt::format("key \"{}\"", key), [&] { return value->as_bool(); });
}

std::int32_t id_of_text(const Vocabulary& vocabulary, const std::string& text, const SpecialToken& row) {
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i)
    if (vocabulary.pieces[i].text == text) return static_cast<std::int32_t>(i);
  if (row.unknown == SpecialToken::Unknown::kNone) return -1;
  fail(ErrorCode::kInput, "{} is \"{}\", which is no piece of the vocabulary", row.text_key, text);
}

// The first that the vocabulary has. -1 stands for none in many files, and an id beyond the last piece has no text:
// llama.cpp's converter skips both.
std::int32_t id_of_config(const Vocabulary& vocabulary, const Json& value, const char* key) {
  return with_context(fmt::format("key \"{}\" of config.json", key), [&] {
    const Json::Array ids = value.is_array() ? value.as_array() : Json::Array{value};
    for (const Json& id : ids)
      if (id.as_int64() >= 0 && id.as_int64() < static_cast<std::int64_t>(vocabulary.pieces.size()))
        return static_cast<std::int32_t>(id.as_int64());
    return -1;
  });
}

std::int32_t special_id(const Vocabulary& vocabulary, const SpecialToken& row, const Json& tokenizer_config,
                        const Json& config) {
  const Json* text = tokenizer_config.find(row.text_key);
  if (text && !text->is_null())
    return with_context(fmt::format("key \"{}\" of {}", row.text_key, kTokenizerConfig), [&] {
      return id_of_text(vocabulary, (text->is_object() ? text->at("content") : *text).as_string(), row);
    });
  const Json* number = config.find(row.id_key);
  return number && !number->is_null() ? id_of_config(vocabulary, *number, row.id_key) : -1;
}

// The ids of BOS, EOS and padding; what the post-processor adds must be what the configuration calls so.
void set_special_ids(Vocabulary& vocabulary, const Json& tokenizer_config, const Json& config) {
  for (const SpecialToken& row : kSpecialTokens) {
    const std::int32_t id = special_id(vocabulary, row, tokenizer_config, config);
    const std::int32_t present = vocabulary.*row.id;
    if (id >= 0 && present >= 0 && id != present)
      fail(ErrorCode::kInput, "the tokenizer's post_processor adds the id {}, but {} is {}", present, row.text_key, id);
    if (id >= 0) vocabulary.*row.id = id;
  }
}

// A sentencepiece model has ids of its own, which the texts of tokenizer_config.json replace. config.json, which in
// some models contradicts both, counts where there is no end or padding; a beginning would be added to texts by it. A
// text that is no piece changes nothing, but for padding.
void replace_special_ids(Vocabulary& vocabulary, const Json& tokenizer_config, const Json& config) {
  for (SpecialToken row : kSpecialTokens) {
    const bool is_padding = row.unknown == SpecialToken::Unknown::kNone;
    row.unknown = SpecialToken::Unknown::kNone;
    const bool named = tokenizer_config.find(row.text_key) && !tokenizer_config.at(row.text_key).is_null();
    if (!named && (vocabulary.*row.id >= 0 || row.id == &Vocabulary::bos)) continue;
    const std::int32_t id = special_id(vocabulary, row, tokenizer_config, config);
    if (id >= 0 || is_padding) vocabulary.*row.id = id;
  }
}

// vocab.json and merges.txt name no special pieces: BOS, EOS and padding are found in text like those of a list. Those
// of sentencepiece keep their types, but for added ones.
void mark_special_pieces(Vocabulary& vocabulary) {
  for (const SpecialToken& row : kSpecialTokens) {
    if (vocabulary.*row.id < 0) continue;
    Vocabulary::PieceType& type = vocabulary.pieces[static_cast<std::size_t>(vocabulary.*row.id)].type;
    if (vocabulary.model == Vocabulary::Model::kByteBpe || type == Vocabulary::PieceType::kUserDefined)
      type = Vocabulary::PieceType::kControl;
  }
}

// What ends a text in each class that is known by vocab.json and merges.txt, where no configuration says it.
void set_usual_end(Vocabulary& vocabulary) {
  const auto found = std::ranges::find(vocabulary.pieces, "<|endoftext|>", &Vocabulary::Piece::text);
  if (vocabulary.eos < 0 && found != vocabulary.pieces.end())
    vocabulary.eos = static_cast<std::int32_t>(found - vocabulary.pieces.begin());
}

// Empty: it names none.
std::string tokenizer_class(const Json& tokenizer_config) {
  const Json* name = tokenizer_config.find("tokenizer_class");
  if (!name || name->is_null()) return {};
  return with_context(fmt::format("key \"tokenizer_class\" of {}", kTokenizerConfig),
                      [&] { return name->as_string(); });
}

const PreTokenizer& split_of_class(const Json& tokenizer_config) {
  const std::string named = tokenizer_class(tokenizer_config);
  const std::string wanted = named.empty() ? pre_tokenizers()[0].tokenizer_class : named;
  if (const PreTokenizer* row = pre_tokenizer_of_class(wanted)) return *row;
  fail(ErrorCode::kInput, "how a \"{}\" splits text is not known; a tokenizer.json would say it", wanted);
}

Json read_tokenizer_config(const Checkpoint& checkpoint) {
  Json config = Json::object();
  read_file(find_tokenizer_file(checkpoint, kTokenizerConfig),
            [&](const std::string& text) { config = parse_python_json(text); });
  return config;
}

struct Companions {
  const Checkpoint& checkpoint;
  Json tokenizer_config;

  void add_tokens_to(Vocabulary& vocabulary) const {
    if (const Json* decoder = tokenizer_config.find("added_tokens_decoder"); decoder && !decoder->is_null())
      with_context(fmt::format("key \"added_tokens_decoder\" of {}", kTokenizerConfig),
                   [&] { add_added_tokens_decoder(vocabulary, *decoder); });
    read_file(find_tokenizer_file(checkpoint, "added_tokens.json"),
              [&](const std::string& text) { add_added_tokens(vocabulary, parse_json(text)); });
  }

  Tokenizer finish(Vocabulary vocabulary) const {
    with_context(kTokenizerConfig, [&] {
      set_flag(tokenizer_config, "add_bos_token", vocabulary.add_bos);
      set_flag(tokenizer_config, "add_eos_token", vocabulary.add_eos);
    });
    return with_context("while reading the tokenizer of " + described_tokenizer(checkpoint),
                        [&] { return Tokenizer::from_vocabulary(std::move(vocabulary)); });
  }
};

bool has_matrix_of(const Checkpoint& checkpoint, std::size_t rows) {
  return std::ranges::any_of(checkpoint.tensors(), [&](const TensorEntry& entry) {
    return entry.shape.size() == 2 && entry.shape[0] == rows;
  });
}

Tokenizer load_rank_list(const SourceFile& file, const Companions& companions) {
  Vocabulary vocabulary;
  read_file(&file, [&](const std::string& text) {
    const std::string name = tokenizer_class(companions.tokenizer_config);
    vocabulary = parse_rank_list(text, name.empty() ? nullptr : pre_tokenizer_of_class(name));
    companions.add_tokens_to(vocabulary);
    set_special_ids(vocabulary, companions.tokenizer_config, companions.checkpoint.config());
    mark_special_pieces(vocabulary);
  });
  return companions.finish(std::move(vocabulary));
}

Tokenizer load_sentencepiece(const SourceFile& model, const Companions& companions) {
  Vocabulary vocabulary;
  read_file(&model, [&](const std::string& bytes) {
    vocabulary = parse_sentencepiece_model(std::as_bytes(std::span(bytes)));
    Tokenizer::from_vocabulary(vocabulary);  // whatever is wrong with it is wrong in this file
  });
  companions.add_tokens_to(vocabulary);
  replace_special_ids(vocabulary, companions.tokenizer_config, companions.checkpoint.config());
  mark_special_pieces(vocabulary);
  return companions.finish(std::move(vocabulary));
}

// What is no list of ranks is sentencepiece's.
Tokenizer load_model_file(const SourceFile& model, const Companions& companions) {
  return is_rank_list(first_bytes(model.path)) ? load_rank_list(model, companions)
                                               : load_sentencepiece(model, companions);
}

// Its pieces are all of the model's.
Tokenizer load_score_list(const SourceFile& file, const Companions& companions) {
  Vocabulary vocabulary;
  read_file(&file, [&](const std::string& bytes) {
    vocabulary = parse_score_list(std::as_bytes(std::span(bytes)));
    if (!has_matrix_of(companions.checkpoint, vocabulary.pieces.size()))
      fail(ErrorCode::kInput, "it has {} pieces, and no matrix of the model has as many rows",
           vocabulary.pieces.size());
  });
  return companions.finish(std::move(vocabulary));
}

Tokenizer load_tokenizer_json(const SourceFile& file, const Companions& companions) {
  Vocabulary vocabulary;
  read_file(&file, [&](const std::string& text) {
    vocabulary = parse_tokenizer_json(text);
    set_special_ids(vocabulary, companions.tokenizer_config, companions.checkpoint.config());
  });
  return companions.finish(std::move(vocabulary));
}

// Added tokens are pieces of this file or stand behind it; [CLS] and [SEP], which it has, are what begins and ends a
// text.
Tokenizer load_word_piece_list(const SourceFile& file, const Companions& companions) {
  if (file.bytes > kLongestPieceList)
    fail(ErrorCode::kInput, "{} has {} bytes; a list of pieces has at most {}", file.path.string(), file.bytes,
         kLongestPieceList);
  Vocabulary vocabulary;
  read_file(&file, [&](const std::string& text) {
    vocabulary = parse_word_piece_list(text, companions.tokenizer_config);
    companions.add_tokens_to(vocabulary);
  });
  return companions.finish(std::move(vocabulary));
}

Tokenizer load_vocabulary_files(const SourceFile& vocab, const SourceFile& merges, const Companions& companions) {
  Vocabulary vocabulary;
  read_file(&vocab, [&](const std::string& vocab_json) {
    vocabulary =
        parse_vocabulary_files(vocab_json, read_text(merges.path), split_of_class(companions.tokenizer_config));
    companions.add_tokens_to(vocabulary);
    set_special_ids(vocabulary, companions.tokenizer_config, companions.checkpoint.config());
    set_usual_end(vocabulary);
    mark_special_pieces(vocabulary);
  });
  return companions.finish(std::move(vocabulary));
}

std::vector<const SourceFile*> word_lists(const Checkpoint& checkpoint) {
  std::vector<const SourceFile*> lists;
  for (const SourceFile& file : checkpoint.files())
    if (file.role == SourceFile::Role::kTokenizer && is_word_list_name(file.path.filename().string()))
      lists.push_back(&file);
  return lists;
}

// Several may lie in one folder, for as many models: a list belongs to an embedding with as many rows.
Tokenizer load_word_list(const std::vector<const SourceFile*>& lists, const Companions& companions) {
  std::string sizes;
  for (const SourceFile* file : lists) {
    Vocabulary vocabulary;
    read_file(file, [&](const std::string& text) { vocabulary = parse_word_list(text); });
    if (has_matrix_of(companions.checkpoint, vocabulary.pieces.size())) return companions.finish(std::move(vocabulary));
    sizes += fmt::format("{}{} has {} ids", sizes.empty() ? "" : ", ", file->path.string(), vocabulary.pieces.size());
  }
  fail(ErrorCode::kInput, "the list of words belongs to another model than {}: {}, and no matrix has as many rows",
       companions.checkpoint.path().string(), sizes);
}

struct FileKind {
  bool (*has_name)(std::string_view name);
  Tokenizer (*load)(const SourceFile& file, const Companions& companions);
};
// In this order: sentencepiece's own file comes before what was made of it.
constexpr FileKind kFileKinds[] = {
    {[](std::string_view name) { return name == "tokenizer.model"; }, load_model_file},
    {[](std::string_view name) { return name == "tokenizer.json"; }, load_tokenizer_json},
    {[](std::string_view name) { return name.ends_with(".model") && name != "tokenizer.model"; }, load_model_file},
    {[](std::string_view name) { return name.ends_with(".tiktoken"); }, load_rank_list},
    {is_score_list_name, load_score_list},
    {[](std::string_view name) { return name == "vocab.txt"; }, load_word_piece_list},
};

// A way to get a tokenizer, and what it would be read from.
struct Candidate {
  std::string source;
  std::function<Tokenizer()> load;
};

std::vector<Candidate> candidates(const Companions& companions) {
  const Checkpoint& checkpoint = companions.checkpoint;
  std::vector<Candidate> found;
  for (const FileKind& kind : kFileKinds)
    for (const SourceFile& file : checkpoint.files())
      if (file.role == SourceFile::Role::kTokenizer && kind.has_name(file.path.filename().string()))
        found.push_back({file.path.string(), [&, load = kind.load] { return load(file, companions); }});
  const SourceFile* vocab = find_tokenizer_file(checkpoint, "vocab.json");
  const SourceFile* merges = find_tokenizer_file(checkpoint, "merges.txt");
  if (vocab && merges)
    found.push_back(
        {vocab->path.string(), [=, &companions] { return load_vocabulary_files(*vocab, *merges, companions); }});
  if (const auto lists = word_lists(checkpoint); !lists.empty())
    found.push_back({lists[0]->path.string(), [=, &companions] { return load_word_list(lists, companions); }});
  if (checkpoint.metadata().find("tokenizer.ggml.model"))
    found.push_back({checkpoint.path().string(), [&] {
                       return with_context(
                           fmt::format("while reading the vocabulary of {}", checkpoint.path().string()),
                           [&] { return Tokenizer::from_vocabulary(vocabulary_of(checkpoint.metadata())); });
                     }});
  return found;
}

}  // namespace

Tokenizer load_tokenizer(const Checkpoint& checkpoint, std::vector<std::string>* notes) {
  const Companions companions{checkpoint, read_tokenizer_config(checkpoint)};
  const std::vector<Candidate> all = candidates(companions);
  if (all.empty())
    fail(ErrorCode::kInput,
         "{} has no tokenizer; supported are tokenizer.model (sentencepiece or tiktoken), tokenizer.json, vocab.json "
         "with merges.txt, vocab.txt of BERT, tokenizer.bin of llama2.c, tokenizer_NAME.json (a list of words or "
         "characters) beside the weights, and the vocabulary inside a GGUF file",
         checkpoint.path().string());
  std::optional<Error> first;
  for (const Candidate& candidate : all) {
    try {
      Tokenizer tokenizer = candidate.load();
      if (first && notes)
        notes->push_back(fmt::format("the tokenizer is that of {}; another file was passed over: {}", candidate.source,
                                     first->what()));
      return tokenizer;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInput) throw;
      if (!first) first = error;
    }
  }
  throw *first;
}

std::string described_tokenizer(const Checkpoint& checkpoint) {
  return described_files(checkpoint.path(), checkpoint.files(), SourceFile::Role::kTokenizer);
}

bool has_tokenizer(const Checkpoint& checkpoint) {
  const Companions none{checkpoint, Json::object()};
  return !candidates(none).empty();
}

SourceTokenizer::SourceTokenizer(const Checkpoint& files) {
  try {
    tokenizer_ = load_tokenizer(files, &notes_);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInput) throw;
    problem_ = error.what();
  }
}

const Tokenizer& SourceTokenizer::get() const {
  if (!tokenizer_) throw Error(ErrorCode::kInput, problem_);
  return *tokenizer_;
}

}  // namespace quern
