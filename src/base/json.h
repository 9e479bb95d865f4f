// JSON as a value. Objects keep the order in which they were written; integers keep all 64 bits.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace quern {

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool v) : value_(v) {}
  Json(int v) : value_(static_cast<std::int64_t>(v)) {}
  Json(std::int64_t v) : value_(v) {}
  Json(std::uint32_t v) : value_(static_cast<std::int64_t>(v)) {}
  Json(std::uint64_t v) : value_(static_cast<std::int64_t>(v)) {
    if (v > static_cast<std::uint64_t>(INT64_MAX)) value_ = v;
  }
  Json(double v) : value_(v) {}
  Json(const char* v) : value_(std::string(v)) {}
  Json(std::string_view v) : value_(std::string(v)) {}
  Json(std::string v) : value_(std::move(v)) {}
  Json(Array v) : value_(std::move(v)) {}
  Json(Object v) : value_(std::move(v)) {}
  static Json array(std::initializer_list<Json> items = {}) { return Json(Array(items)); }
  static Json object(std::initializer_list<Member> members = {}) { return Json(Object(members)); }

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_integer() const {
    return std::holds_alternative<std::int64_t>(value_) || std::holds_alternative<std::uint64_t>(value_);
  }
  bool is_number() const { return is_integer() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // Each throws Error(kInput) that shows the value when the kind or the range does not fit.
  bool as_bool() const;
  std::int64_t as_int64() const;
  std::uint64_t as_uint64() const;
  double as_double() const;
  const std::string& as_string() const;
  const Array& as_array() const;
  const Object& as_object() const;
  Array& as_array();
  Object& as_object();

  // Member of an object, or null when it is absent or this is not an object.
  const Json* find(std::string_view key) const;
  // Member of an object; throws Error(kInput) naming the key when it is absent.
  const Json& at(std::string_view key) const;
  // Sets a member (appends it, or replaces it in place). REQUIRES: an object or null.
  Json& set(std::string_view key, Json value);
  // Appends to an array. REQUIRES: an array or null.
  void push_back(Json value);

  bool operator==(const Json&) const = default;

 private:
  // An integer is unsigned only where it has to be, so that equal numbers compare equal however they were made.
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array, Object> value_;
};

// Null where there is none.
template <typename T>
Json json_or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

// Throws Error(kInput) with the byte position on syntax errors, duplicate keys, bad UTF-8, or nesting beyond 64 levels.
Json parse_json(std::string_view text);

// indent < 0: one line. Bytes are the same on every machine; doubles are the shortest text that reads back equal.
// Throws Error(kInternal) for NaN and infinity, which JSON cannot hold.
std::string dump_json(const Json& value, int indent = -1);

}  // namespace quern
