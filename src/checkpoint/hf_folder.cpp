// File names as transformers writes them.
#include "checkpoint/hf_folder.h"

#include <algorithm>
#include <set>
#include <string>

#include "base/fail.h"
#include "base/file.h"
#include "base/python_json.h"
#include "checkpoint/shard_index.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

constexpr const char* kConfig = "config.json";
// What is read as JSON takes many times its bytes in memory: a configuration has some kilobytes, an index a hundred
// bytes a tensor.
constexpr std::uint64_t kMostConfigBytes = std::uint64_t{16} << 20, kMostIndexBytes = std::uint64_t{128} << 20;

struct Companion {
  const char* name;
  SourceFile::Role role;
};
constexpr Companion kCompanions[] = {
    {kConfig, SourceFile::Role::kConfig},
    {"generation_config.json", SourceFile::Role::kConfig},
    {"tokenizer.model", SourceFile::Role::kTokenizer},
    {"tokenizer.json", SourceFile::Role::kTokenizer},
    {"tokenizer.bin", SourceFile::Role::kTokenizer},
    {"tokenizer_config.json", SourceFile::Role::kTokenizer},
    {"special_tokens_map.json", SourceFile::Role::kTokenizer},
    {"added_tokens.json", SourceFile::Role::kTokenizer},
    {"vocab.json", SourceFile::Role::kTokenizer},
    {"merges.txt", SourceFile::Role::kTokenizer},
    {"vocab.txt", SourceFile::Role::kTokenizer},
    {"chat_template.jinja", SourceFile::Role::kTokenizer},
};

std::vector<fs::path> files_ending(const fs::path& folder, std::string_view suffix) {
  std::vector<fs::path> found;
  std::error_code ec;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ec)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_directory(ec) && name.ends_with(suffix) && !name.starts_with(".")) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// The one that decides when several lie there: transformers' own name, or the only one.
fs::path main_file(const fs::path& folder, const char* preferred, const char* suffix) {
  if (find_file(folder / preferred)) return folder / preferred;
  if (!suffix) return {};
  const std::vector<fs::path> found = files_ending(folder, suffix);
  return found.size() == 1 ? found[0] : fs::path();
}

// "model-00002-of-00005" -> 5; 0 when the name is not that of a shard.
unsigned shard_count(const std::string& stem) {
  const std::size_t of = stem.rfind("-of-");
  if (of == std::string::npos || stem.size() - of != 9) return 0;
  unsigned count = 0;
  for (const char digit : stem.substr(of + 4)) {
    if (digit < '0' || digit > '9') return 0;
    count = count * 10 + static_cast<unsigned>(digit - '0');
  }
  return count;
}

// The shards of a folder where they are a whole set by their names; empty: they are not.
std::vector<fs::path> whole_set_of_shards(const fs::path& folder, std::string_view suffix) {
  std::vector<fs::path> shards = files_ending(folder, suffix);
  std::erase_if(shards, [](const fs::path& path) { return shard_count(path.stem().string()) == 0; });
  const bool is_whole = std::ranges::all_of(
      shards, [&](const fs::path& path) { return shard_count(path.stem().string()) == shards.size(); });
  return is_whole ? shards : std::vector<fs::path>();
}

// Programs that save anew in another number of files leave an old index behind: where none of its shards is there, a
// whole set of others is taken, and what the index says of them is checked as ever.
HfFiles read_index(const fs::path& index) {
  return with_context(fmt::format("while reading {}", index.string()), [&] {
    HfFiles files{{}, index, parse_json(read_text(index, kMostIndexBytes)).at("weight_map")};
    std::set<std::string> names;
    for (const Json::Member& member : files.weight_map.as_object()) names.insert(member.second.as_string());
    for (const std::string& name : names) {
      if (name.empty() || fs::path(name).filename() != name || name == "..") {
        fail(ErrorCode::kInput, "weight_map names \"{}\", which is not a file of this folder", name);
      }
      files.weights.push_back(index.parent_path() / name);
    }
    const auto missing = std::ranges::find_if(files.weights, [](const fs::path& path) { return !find_file(path); });
    if (missing == files.weights.end()) return files;
    std::vector<fs::path> others;
    if (std::ranges::none_of(files.weights, is_there))
      others = whole_set_of_shards(index.parent_path(), missing->extension().string());
    if (others.empty()) fail(ErrorCode::kInput, "shard {} is missing", missing->string());
    files.weights = std::move(others);
    return files;
  });
}

// Of those whose names are not fixed.
bool is_tokenizer_name(std::string_view name) {
  return is_word_list_name(name) || name.ends_with(".tiktoken") ||
         (name.ends_with(".model") && name != "tokenizer.model") ||
         (is_score_list_name(name) && name != "tokenizer.bin");
}

}  // namespace

const HfNames kSafetensorsNames = {"model.safetensors", "model.safetensors.index.json", ".safetensors",
                                   ".safetensors.index.json"};
const HfNames kPytorchNames = {"pytorch_model.bin", "pytorch_model.bin.index.json", nullptr, nullptr};

bool holds_hf_weights(const fs::path& folder, const HfNames& names) {
  return !main_file(folder, names.weights, names.suffix).empty() ||
         !main_file(folder, names.index, names.index_suffix).empty() ||
         (names.suffix && !whole_set_of_shards(folder, names.suffix).empty());
}

HfFiles find_hf_index(const fs::path& folder, const HfNames& names) {
  const fs::path index = main_file(folder, names.index, names.index_suffix);
  return index.empty() ? HfFiles() : read_index(index);
}

HfFiles find_hf_weights(const fs::path& folder, const HfNames& names) {
  if (find_file(folder / names.weights)) return {{folder / names.weights}, {}, {}};
  if (const fs::path index = main_file(folder, names.index, names.index_suffix); !index.empty())
    return read_index(index);
  if (const fs::path only = main_file(folder, names.weights, names.suffix); !only.empty()) {
    if (const unsigned count = shard_count(only.stem().string()); count > 1)
      fail(ErrorCode::kInput, "{} is one of {} shards, and the others are not beside it; download them too",
           only.string(), count);
    return {{only}, {}, {}};
  }
  if (names.suffix)
    if (std::vector<fs::path> shards = whole_set_of_shards(folder, names.suffix); !shards.empty())
      return {std::move(shards), {}, {}};
  fail(ErrorCode::kInput, "{} holds neither {} nor {}{}", folder.string(), names.weights, names.index,
       names.suffix ? fmt::format(" nor exactly one {} file", names.suffix) : "");
}

bool is_word_list_name(std::string_view name) {
  return name.starts_with("tokenizer_") && name.ends_with(".json") && name != "tokenizer_config.json";
}

bool is_score_list_name(std::string_view name) {
  if (name == "tokenizer.bin") return true;
  if (!name.starts_with("tok") || !name.ends_with(".bin") || name.size() < 8) return false;
  return std::ranges::all_of(name.substr(3, name.size() - 7), [](char c) { return c >= '0' && c <= '9'; });
}

const SourceFile* find_tokenizer_file(const Checkpoint& checkpoint, std::string_view name) {
  for (const SourceFile& file : checkpoint.files())
    if (file.role == SourceFile::Role::kTokenizer && file.path.filename() == name) return &file;
  return nullptr;
}

void check_no_shard(const fs::path& path) {
  if (const unsigned count = shard_count(path.stem().string()); count > 1)
    fail(ErrorCode::kInput, "{} is one of {} shards; open their folder instead", path.string(), count);
}

void add_hf_index(const HfFiles& files, Checkpoint::Contents& contents) {
  for (std::string& note : check_index(files.index, files.weight_map, files.weights, contents.tensors))
    contents.notes.push_back(std::move(note));
  contents.files.push_back({files.index, size_of_file(files.index), SourceFile::Role::kConfig});
}

void add_hf_companions(const fs::path& folder, Checkpoint::Contents& contents) {
  for (const Companion& companion : kCompanions) {
    const fs::path path = folder / companion.name;
    const std::optional<std::uint64_t> bytes = find_file(path);
    if (!bytes) continue;
    contents.files.push_back({path, *bytes, companion.role});
    if (companion.name != std::string_view(kConfig)) continue;
    contents.config = with_context(fmt::format("while reading {}", path.string()), [&] {
      Json config = parse_python_json(read_text(path, kMostConfigBytes));
      if (!config.is_object()) fail(ErrorCode::kInput, "a configuration is a JSON object");
      return config;
    });
  }
  for (const char* suffix : {".json", ".tiktoken", ".model", ".bin"})
    for (const fs::path& path : files_ending(folder, suffix))
      if (is_tokenizer_name(path.filename().string()))
        contents.files.push_back({path, size_of_file(path), SourceFile::Role::kTokenizer});
}

}  // namespace quern
