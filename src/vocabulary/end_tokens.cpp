// Every place where a container says how a text ends.
#include "vocabulary/end_tokens.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "base/fail.h"
#include "base/file.h"
#include "base/python_json.h"

namespace quern {
namespace {

constexpr const char* kConfigKey = "eos_token_id";
constexpr const char* kMetadataKeys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                         "tokenizer.ggml.eom_token_id"};
constexpr const char* kListKey = "tokenizer.ggml.eog_token_ids";

// -1 stands for none.
void add_id(std::int64_t id, std::set<std::int32_t>& ids) {
  if (id >= 0 && id <= std::numeric_limits<std::int32_t>::max()) ids.insert(static_cast<std::int32_t>(id));
}

void add_ids(const Json& config, std::set<std::int32_t>& ids) {
  const Json* value = config.is_object() ? config.find(kConfigKey) : nullptr;
  if (!value || value->is_null()) return;
  with_context(fmt::format("key \"{}\"", kConfigKey), [&] {
    if (!value->is_array()) {
      add_id(value->as_int64(), ids);
      return;
    }
    for (const Json& id : value->as_array()) add_id(id.as_int64(), ids);
  });
}

// What generation_config.json says, where there is one.
void add_generation_ids(const Checkpoint& checkpoint, std::set<std::int32_t>& ids) {
  for (const SourceFile& file : checkpoint.files()) {
    const std::filesystem::path path = file.path.parent_path() / "generation_config.json";
    if (file.role != SourceFile::Role::kConfig || !find_file(path)) continue;
    with_context(fmt::format("while reading {}", path.string()),
                 [&] { add_ids(parse_python_json(read_text(path)), ids); });
    break;
  }
}

}  // namespace

void check_generation_config(const Checkpoint& checkpoint) {
  std::set<std::int32_t> ids;
  add_generation_ids(checkpoint, ids);
}

std::set<std::int32_t> end_tokens(const Checkpoint& checkpoint, const Vocabulary& vocabulary) {
  std::set<std::int32_t> ids;
  if (vocabulary.eos >= 0) ids.insert(vocabulary.eos);
  with_context("while reading config.json", [&] { add_ids(checkpoint.config(), ids); });
  add_generation_ids(checkpoint, ids);
  for (const char* key : kMetadataKeys)
    if (const auto id = checkpoint.metadata().integer(key)) add_id(*id, ids);
  if (const auto* list = checkpoint.metadata().array<std::uint32_t>(kListKey))
    for (const std::uint32_t id : *list) add_id(id, ids);
  return ids;
}

std::vector<std::string> add_end_tokens(Metadata& metadata, std::set<std::int32_t> ends, std::size_t pieces) {
  std::vector<std::string> notes;
  std::vector<std::int32_t> outside;
  for (const std::int32_t id : ends)
    if (static_cast<std::size_t>(id) >= pieces) outside.push_back(id);
  for (const std::int32_t id : outside) ends.erase(id);
  if (!outside.empty())
    notes.push_back(fmt::format("of the ids that end a text {} are left out: there are only {} tokens",
                                fmt::join(outside, ", "), pieces));
  std::set<std::int32_t> rest = ends;
  std::vector<const char*> open;
  for (const char* key : kMetadataKeys) {
    const auto id = metadata.integer(key);
    if (id && std::ranges::find(ends, *id) != ends.end()) {
      rest.erase(static_cast<std::int32_t>(*id));
    } else {
      metadata.erase(key);
      open.push_back(key);
    }
  }
  for (const char* key : open)
    if (!rest.empty()) metadata.set(key, static_cast<std::uint32_t>(rest.extract(rest.begin()).value()));
  metadata.erase(kListKey);
  if (rest.empty()) return notes;
  metadata.set(kListKey, MetaArray{std::vector<std::uint32_t>(ends.begin(), ends.end())});
  notes.push_back(fmt::format(
      "{} tokens end a text, and llama.cpp reads three: it ends at {} only where it knows their texts; quern "
      "ends at all of them",
      ends.size(), fmt::join(rest, ", ")));
  return notes;
}

}  // namespace quern
