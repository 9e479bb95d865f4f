// Every place where a container says how a text ends.
#include "format/end_tokens.h"

#include <limits>

#include "base/fail.h"
#include "base/file.h"
#include "base/python_json.h"

namespace quern {
namespace {

constexpr const char* kConfigKey = "eos_token_id";
constexpr const char* kMetadataKeys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                         "tokenizer.ggml.eom_token_id"};

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

}  // namespace

std::set<std::int32_t> end_tokens(const Checkpoint& checkpoint, const Vocabulary& vocabulary) {
  std::set<std::int32_t> ids;
  if (vocabulary.eos >= 0) ids.insert(vocabulary.eos);
  add_ids(checkpoint.config(), ids);
  for (const SourceFile& file : checkpoint.files()) {
    const std::filesystem::path path = file.path.parent_path() / "generation_config.json";
    if (file.role != SourceFile::Role::kConfig || !std::filesystem::exists(path)) continue;
    with_context(fmt::format("while reading {}", path.string()),
                 [&] { add_ids(parse_python_json(read_text(path)), ids); });
    break;
  }
  for (const char* key : kMetadataKeys)
    if (const auto id = checkpoint.metadata().integer(key)) add_id(*id, ids);
  return ids;
}

}  // namespace quern
