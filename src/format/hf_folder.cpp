// File names as transformers writes them.
#include "format/hf_folder.h"

#include <algorithm>
#include <set>
#include <string>

#include "base/fail.h"
#include "base/file.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

constexpr const char* kConfig = "config.json";
constexpr const char* kWeights = "model.safetensors";
constexpr const char* kIndexSuffix = ".safetensors.index.json";

struct Companion {
  const char* name;
  SourceFile::Role role;
};
constexpr Companion kCompanions[] = {
    {kConfig, SourceFile::Role::kConfig},
    {"generation_config.json", SourceFile::Role::kConfig},
    {"tokenizer.model", SourceFile::Role::kTokenizer},
    {"tokenizer.json", SourceFile::Role::kTokenizer},
    {"tokenizer_config.json", SourceFile::Role::kTokenizer},
    {"special_tokens_map.json", SourceFile::Role::kTokenizer},
    {"added_tokens.json", SourceFile::Role::kTokenizer},
    {"vocab.json", SourceFile::Role::kTokenizer},
    {"merges.txt", SourceFile::Role::kTokenizer},
    {"chat_template.jinja", SourceFile::Role::kTokenizer},
};

std::vector<fs::path> files_ending(const fs::path& folder, std::string_view suffix) {
  std::vector<fs::path> found;
  std::error_code ec;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ec))
    if (entry.path().filename().string().ends_with(suffix)) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

// The one that decides when several lie there: transformers' own name, or the only one.
fs::path main_file(const fs::path& folder, const std::string& preferred, std::string_view suffix) {
  if (fs::exists(folder / preferred)) return folder / preferred;
  const std::vector<fs::path> found = files_ending(folder, suffix);
  return found.size() == 1 ? found[0] : fs::path();
}

HfFiles read_index(const fs::path& index) {
  return with_context(fmt::format("while reading {}", index.string()), [&] {
    HfFiles files{{}, index, parse_json(read_text(index)).at("weight_map")};
    std::set<std::string> names;
    for (const Json::Member& member : files.weight_map.as_object()) names.insert(member.second.as_string());
    for (const std::string& name : names) {
      if (name.empty() || fs::path(name).filename() != name || name == "..") {
        fail(ErrorCode::kInput, "weight_map names \"{}\", which is not a file of this folder", name);
      }
      files.weights.push_back(index.parent_path() / name);
      if (!fs::exists(files.weights.back()))
        fail(ErrorCode::kInput, "shard {} is missing", files.weights.back().string());
    }
    return files;
  });
}

}  // namespace

bool holds_hf_weights(const fs::path& folder) {
  return !main_file(folder, kWeights, ".safetensors").empty() ||
         !main_file(folder, std::string("model") + kIndexSuffix, kIndexSuffix).empty();
}

HfFiles find_hf_weights(const fs::path& folder) {
  if (fs::exists(folder / kWeights)) return {{folder / kWeights}, {}, {}};
  if (const fs::path index = main_file(folder, std::string("model") + kIndexSuffix, kIndexSuffix); !index.empty()) {
    return read_index(index);
  }
  if (const fs::path only = main_file(folder, kWeights, ".safetensors"); !only.empty()) return {{only}, {}, {}};
  fail(ErrorCode::kInput, "{} holds neither {} nor model{} nor exactly one .safetensors file", folder.string(),
       kWeights, kIndexSuffix);
}

void add_hf_companions(const fs::path& folder, Checkpoint::Contents& contents) {
  for (const Companion& companion : kCompanions) {
    std::error_code ec;
    const fs::path path = folder / companion.name;
    if (!fs::is_regular_file(path, ec)) continue;
    contents.files.push_back({path, fs::file_size(path), companion.role});
    if (companion.name != std::string_view(kConfig)) continue;
    contents.config = with_context(fmt::format("while reading {}", path.string()), [&] {
      Json config = parse_json(read_text(path));
      if (!config.is_object()) fail(ErrorCode::kInput, "a configuration is a JSON object");
      return config;
    });
  }
}

}  // namespace quern
