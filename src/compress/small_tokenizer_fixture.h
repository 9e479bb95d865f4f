// For tests: a tokenizer of 31 pieces, one a letter, for models whose vocabularies are too small for a real one.
#pragma once

#include <string>

#include "base/json.h"
#include "checkpoint/scratch_folder_fixture.h"

namespace quern {

// A tokenizer.json. Ids 0 to 2 are <unk>, <s> and </s>, as the configurations of the tiny models have them.
inline std::string small_tokenizer_json() {
  Json vocabulary = Json::object();
  std::uint64_t id = 0;
  for (const char* piece : {"<unk>", "<s>", "</s>", "\u0120", "\u010a"}) vocabulary.set(piece, id++);
  for (char letter = 'a'; letter <= 'z'; ++letter) vocabulary.set(std::string(1, letter), id++);
  return dump_json(
      Json::object({{"model", Json::object({{"type", "BPE"}, {"vocab", vocabulary}, {"merges", Json::array()}})},
                    {"pre_tokenizer", Json::object({{"type", "ByteLevel"}, {"add_prefix_space", false}})}}));
}

// A copy of a tiny model with a tokenizer, and without a sliding window, which GGUF cannot express.
inline std::filesystem::path convertible_copy(const std::filesystem::path& model, const ScratchFolder& scratch) {
  const std::filesystem::path copy = scratch.copy(model);
  Json config = parse_json(read_text(copy / "config.json"));
  if (config.find("sliding_window")) config.set("sliding_window", Json());
  scratch.write((copy.filename() / "config.json").string(), dump_json(config, 1));
  if (!std::filesystem::exists(copy / "tokenizer.json") && !std::filesystem::exists(copy / "tokenizer.model"))
    scratch.write((copy.filename() / "tokenizer.json").string(), small_tokenizer_json());
  return copy;
}

// Documents of these pieces, each of about 60 tokens.
inline std::string small_text(std::size_t documents) {
  std::string text;
  for (std::size_t d = 0; d < documents; ++d) {
    for (std::size_t i = 0; i < 59; ++i) text += i % 7 == 6 ? ' ' : static_cast<char>('a' + (d * d + i * (i + d)) % 26);
    text += "\n\n";
  }
  return text;
}

}  // namespace quern
