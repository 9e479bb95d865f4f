// Names of files and keys are transformers' and gguf-py's (GGUFWriter.add_chat_template).
#include "vocabulary/chat_templates.h"

#include <algorithm>

#include "base/fail.h"
#include "base/file.h"
#include "base/python_json.h"
#include "checkpoint/hf_folder.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

constexpr const char* kKey = "tokenizer.chat_template";
constexpr const char* kNamesKey = "tokenizer.chat_templates";
constexpr const char* kMember = "chat_template";
constexpr const char* kFile = "chat_template.jinja";
constexpr const char* kFolder = "additional_chat_templates";

std::string key_of(const std::string& name) { return std::string(kKey) + "." + name; }

std::vector<ChatTemplate> of_metadata(const Metadata& metadata) {
  std::vector<ChatTemplate> found;
  if (const auto text = metadata.text(kKey)) found.push_back({kDefaultTemplate, *text});
  if (const auto* names = metadata.array<std::string>(kNamesKey))
    for (const std::string& name : *names)
      if (const auto text = metadata.text(key_of(name))) found.push_back({name, *text});
  return found;
}

std::vector<ChatTemplate> of_files(const fs::path& main) {
  std::vector<ChatTemplate> found{{kDefaultTemplate, read_text(main)}};
  std::vector<fs::path> others;
  std::error_code ec;
  for (const fs::directory_entry& entry : fs::directory_iterator(main.parent_path() / kFolder, ec))
    if (entry.path().extension() == ".jinja") others.push_back(entry.path());
  std::ranges::sort(others);
  for (const fs::path& path : others) found.push_back({path.stem().string(), read_text(path)});
  return found;
}

std::vector<ChatTemplate> of_json(const Json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return {{kDefaultTemplate, value.as_string()}};
  std::vector<ChatTemplate> found;
  for (const Json& item : value.as_array())
    found.push_back({item.at("name").as_string(), item.at("template").as_string()});
  return found;
}

std::string name_for_key(std::string name) {
  for (char& c : name) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!plain) c = '_';
  }
  return name;
}

}  // namespace

std::vector<ChatTemplate> chat_templates(const Checkpoint& checkpoint) {
  if (auto found = of_metadata(checkpoint.metadata()); !found.empty()) return found;
  if (const SourceFile* file = find_tokenizer_file(checkpoint, kFile)) return of_files(file->path);
  const SourceFile* config = find_tokenizer_file(checkpoint, "tokenizer_config.json");
  if (!config) return {};
  return with_context(fmt::format("while reading {}", config->path.string()), [&] {
    const Json json = parse_python_json(read_text(config->path));
    const Json* value = json.find(kMember);
    return value ? with_context(fmt::format("key \"{}\"", kMember), [&] { return of_json(*value); })
                 : std::vector<ChatTemplate>();
  });
}

void add_chat_templates(Metadata& metadata, const std::vector<ChatTemplate>& templates) {
  std::vector<std::string> names;
  for (const ChatTemplate& row : templates) {
    const std::string name = name_for_key(row.name);
    if (name == kDefaultTemplate) {
      metadata.set(kKey, row.text);
    } else if (!name.empty() && !metadata.find(key_of(name))) {
      metadata.set(key_of(name), row.text);
      names.push_back(name);
    }
  }
  if (!names.empty()) metadata.set(kNamesKey, MetaArray{std::move(names)});
}

Json chat_template_json(const std::vector<ChatTemplate>& templates) {
  if (templates.empty()) return {};
  if (templates.size() == 1 && templates.front().name == kDefaultTemplate) return templates.front().text;
  Json list = Json::array();
  for (const ChatTemplate& row : templates) list.push_back(Json::object({{"name", row.name}, {"template", row.text}}));
  return list;
}

}  // namespace quern
