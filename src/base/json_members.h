// An object whose value as a whole would not fit: a table of 400,000 tensors takes 30 times its bytes as a Json.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace quern {

class Json;

// Hands over each member of the outermost object when it has been read. Errors as of parse_json, but for keys of that
// object that are repeated: those are the caller's to find. Error(kInput) also when the text is no object, or a member
// has more than kMostMemberValues values in it.
inline constexpr std::size_t kMostMemberValues = std::size_t{1} << 17;  // 15 MB of memory
void parse_json_members(std::string_view text, const std::function<void(std::string&& key, Json&& value)>& take);

}  // namespace quern
