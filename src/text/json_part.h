// One part of a tokenizer.json, such as a normalizer: an object with a "type".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fail.h"
#include "base/json.h"

namespace quern {

// The members of a "Sequence" under `members`, or the part itself; nothing of null. Sequences inside are taken apart
// too, to a depth of 16.
std::vector<const Json*> members_of(const Json& part, const char* members);

// What the key says, or nothing or `otherwise` where it is absent or null. Error(kInput) that names the key.
std::optional<bool> flag_of(const Json& part, const char* key);
std::string text_of(const Json& part, const char* key, const char* otherwise);
std::string character_of(const Json& part, const char* key, const char* otherwise);  // one, or an error
std::size_t count_of(const Json& part, const char* key, std::size_t otherwise);

// One row a "type": how to make what the part stands for.
template <typename Made>
struct PartRow {
  const char* type;
  Made (*make)(const Json& part);
};

// Error(kInput) that names a type of no row.
template <typename Made, std::size_t kCount>
Made make_part(const Json& part, const PartRow<Made> (&rows)[kCount], std::string_view kind) {
  const std::string& type = part.at("type").as_string();
  for (const PartRow<Made>& row : rows)
    if (type == row.type) return with_context(fmt::format("{} \"{}\"", kind, type), [&] { return row.make(part); });
  fail(ErrorCode::kInput,
       "the {} \"{}\" is not supported; a model whose tokenizer has it can be compressed by `scheme` simple, without "
       "text",
       kind, type);
}

}  // namespace quern
