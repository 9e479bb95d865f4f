// Defaults are the package's where a file leaves something out.
#include "text/json_part.h"

#include "base/utf8.h"

namespace quern {
namespace {

constexpr int kDeepest = 16;

void gather(const Json& part, const char* members, int depth, std::vector<const Json*>& parts) {
  if (part.is_null()) return;
  if (part.at("type").as_string() != "Sequence") {
    parts.push_back(&part);
    return;
  }
  if (depth == kDeepest) fail(ErrorCode::kInput, "sequences are nested deeper than {}", kDeepest);
  for (const Json& one : part.at(members).as_array()) gather(one, members, depth + 1, parts);
}

// Null where the key is absent or null.
const Json* value_of(const Json& part, const char* key) {
  const Json* value = part.find(key);
  return value && !value->is_null() ? value : nullptr;
}

template <typename Read>
auto read_key(const char* key, Read&& read) {
  return with_context(fmt::format("key \"{}\"", key), read);
}

}  // namespace

std::vector<const Json*> members_of(const Json& part, const char* members) {
  std::vector<const Json*> parts;
  gather(part, members, 0, parts);
  return parts;
}

std::optional<bool> flag_of(const Json& part, const char* key) {
  const Json* value = value_of(part, key);
  return value ? std::optional(read_key(key, [&] { return value->as_bool(); })) : std::nullopt;
}

std::string text_of(const Json& part, const char* key, const char* otherwise) {
  const Json* value = value_of(part, key);
  return value ? read_key(key, [&] { return value->as_string(); }) : std::string(otherwise);
}

std::string character_of(const Json& part, const char* key, const char* otherwise) {
  std::string text = text_of(part, key, otherwise);
  const bool is_one = !text.empty() && first_utf8_part(text).length == text.size();
  if (!is_one) fail(ErrorCode::kInput, "\"{}\" is \"{}\", not one character", key, text);
  return text;
}

std::size_t count_of(const Json& part, const char* key, std::size_t otherwise) {
  const Json* value = value_of(part, key);
  return value ? static_cast<std::size_t>(read_key(key, [&] { return value->as_uint64(); })) : otherwise;
}

}  // namespace quern
