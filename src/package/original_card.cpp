// Cards are looked for by the folder's files; what of one is a path is told by how it is written.
#include "package/original_card.h"

#include <re2/re2.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/fail.h"
#include "base/file.h"
#include "base/printable.h"
#include "base/utf8.h"
#include "package/folder_files.h"
#include "package/package_names.h"
#include "text/front_matter.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLongestCard = std::uint64_t{4} << 20;
constexpr const char* kIdKeys[] = {"base_model", "base_models", "base_model_sources",
                                   "datasets",   "dataset",     "dataset_sources"};
constexpr const char* kLinkKey = "license_link";

bool is_address(const std::string& text) {
  static const re2::RE2 kAddress("(?i)(https?|ssh)://.*");
  return re2::RE2::FullMatch(text, kAddress);
}

// Where a training kept its steps, which is no repository.
bool is_run_of_training(const std::string& text) {
  static const re2::RE2 kRun(R"((.*/)?checkpoint-\d+)");
  return re2::RE2::FullMatch(text, kRun);
}

// Of Unix and of Windows, and those that are relative to a folder.
bool is_path(const std::string& text) {
  static const re2::RE2 kPath(R"((?is)(/|~/|\.{1,2}/|\.{1,2}\\|\\\\|[a-z]:[/\\]|file:).*|\.{1,2})");
  return re2::RE2::FullMatch(text, kPath) || is_run_of_training(text);
}

// Empty where it is not there or no text.
std::string card_text(const fs::path& path, std::uint64_t bytes) {
  if (bytes > kLongestCard) return {};
  std::string text = read_text(path);
  return first_invalid_utf8(text) ? std::string() : text;
}

Json card_beside(const FolderFiles& files) {
  for (const CarriedFile& file : files.carried)
    if (file.name == kOriginalCard) return front_matter(card_text(file.path, file.bytes));
  return Json::object();
}

bool lists(const Json& manifest, const fs::path& file) {
  const std::string name = file.filename().string();
  return std::ranges::any_of(manifest.at("files").as_array(),
                             [&](const Json& listed) { return name_in_place(listed.at("name").as_string()) == name; });
}

// Of a package, or of a file of one: the card that quern wrote; an empty object where the source is neither.
Json own_card(const fs::path& source) try {
  std::error_code ec;
  const bool is_folder = fs::is_directory(source, ec);
  fs::path folder = source;
  if (!is_folder && !fs::is_directory(folder += kEvidenceSuffix, ec)) folder = source.parent_path();
  if (!find_file(folder / kManifestName) || !find_file(folder / kCardName)) return Json::object();
  const Json manifest = parse_json(read_text(folder / kManifestName));
  if (!manifest.find("quern") || !(is_folder || lists(manifest, source))) return Json::object();
  return front_matter(card_text(folder / kCardName, size_of_file(folder / kCardName)));
} catch (const Error&) {  // a manifest that cannot be read is none of quern's
  return Json::object();
}

// What a container has inside in place of a card beside it: as general_keys writes it.
Json card_in_metadata(const Metadata& metadata) {
  Json card = Json::object();
  for (const auto& [name, key] : {std::pair{"license", "general.license"},
                                  {"license_name", "general.license.name"},
                                  {"license_link", "general.license.link"}})
    if (const auto text = metadata.text(key)) card.set(name, without_unprintable(*text));
  for (const auto& [name, key] : {std::pair{"tags", "general.tags"}, {"language", "general.languages"}}) {
    Json::Array texts;
    if (const auto* all = metadata.array<std::string>(key))
      for (const std::string& text : *all) texts.emplace_back(without_unprintable(text));
    if (!texts.empty()) card.set(name, std::move(texts));
  }
  return card;
}

// null: nothing of it may be published.
template <typename IsPublic>
Json public_part(const Json& value, IsPublic&& is_public) {
  if (value.is_string()) return is_public(value.as_string()) ? value : Json();
  Json::Array kept;
  if (value.is_array())
    for (const Json& item : value.as_array())
      if (item.is_string() && is_public(item.as_string())) kept.push_back(item);
  return kept.empty() ? Json() : Json(std::move(kept));
}

Json published_card(const Json& card, const std::set<std::string>& beside) {
  Json::Object kept;
  for (const auto& [key, value] : card.as_object()) {
    const bool names_ids = std::ranges::any_of(kIdKeys, [&](const char* known) { return known == key; });
    Json part = public_part(value, [&](const std::string& text) {
      if (names_ids) return is_address(text) || !plain_id_or_nothing(text).empty();
      if (key == kLinkKey) return is_address(text) || beside.contains(text);
      return !is_path(text);
    });
    if (!part.is_null()) kept.emplace_back(key, std::move(part));
  }
  return Json(std::move(kept));
}

}  // namespace

std::string id_or_nothing(const std::string& text) {
  return text.find('/') == std::string::npos ? "" : plain_id_or_nothing(text);
}

std::string plain_id_or_nothing(const std::string& text) {
  static const re2::RE2 kId(R"(([\w-][\w.-]*/)?[\w-][\w.-]*)");
  return re2::RE2::FullMatch(text, kId) && !is_run_of_training(text) ? text : "";
}

Json original_card(const Checkpoint& source, Format::Companions place) {
  const FolderFiles files = folder_files(source, place);
  Json card = card_beside(files);
  if (card.as_object().empty()) card = card_in_metadata(source.metadata());
  const Json own = own_card(source.path());
  for (const char* key : {"base_model", "base_model_relation"})
    if (const Json* value = own.find(key)) card.set(key, *value);
  std::set<std::string> beside;
  for (const CarriedFile& file : files.carried) beside.insert(file.name);
  return published_card(card, beside);
}

Json published_config(const Json& config) {
  if (config.is_array()) {
    Json::Array items;
    for (const Json& item : config.as_array()) items.push_back(published_config(item));
    return Json(std::move(items));
  }
  if (!config.is_object()) return config;
  Json::Object kept;
  for (const auto& [key, value] : config.as_object())
    if (key != "_name_or_path" || !value.is_string() || !plain_id_or_nothing(value.as_string()).empty())
      kept.emplace_back(key, published_config(value));
  return Json(std::move(kept));
}

}  // namespace quern
