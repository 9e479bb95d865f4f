// Json over nlohmann's SAX parser: duplicate keys and deep nesting are refused while reading.
#include "base/json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/fail.h"
#include "base/json_members.h"
#include "base/json_pieces.h"
#include "base/printable.h"

namespace quern {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxShown = 60;
constexpr std::size_t kMaxBefore = 24;  // bytes of the text that an error shows before its place
constexpr int kTooLarge = 406;          // nlohmann's number for a float beyond binary64

constexpr std::size_t kComparedKeys = 8;  // of an object, at most, without a set

// The first key that is there before it too; null: none is. Once the object is whole, so that a set holds views: a
// vocabulary has 150,000 keys, and a table of tensors 400,000 objects of three.
const std::string* repeated_key(const Json::Object& members) {
  if (members.size() <= kComparedKeys) {
    for (auto member = members.begin(); member != members.end(); ++member)
      if (std::ranges::find(members.begin(), member, member->first, &Json::Member::first) != member)
        return &member->first;
    return nullptr;
  }
  std::unordered_set<std::string_view> seen;
  seen.reserve(members.size());
  for (const auto& [key, value] : members)
    if (!seen.insert(key).second) return &key;
  return nullptr;
}

void check_keys(const Json::Object& members) {
  if (const std::string* key = repeated_key(members))
    fail(ErrorCode::kInput, "JSON key \"{}\" appears twice in one object", *key);
}

// Whatever bytes it has: a part of a text may begin and end within a character.
std::string quotation(std::string_view text) {
  std::string shown;
  for (const char c : text)
    shown += c >= ' ' && c <= '~' ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return "\"" + shown + "\"";
}

using TakeMember = std::function<void(std::string&& key, Json&& value)>;

class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  // `take`: gets the members of the outermost object, which stays empty; null: nobody does.
  explicit Builder(std::string_view text, const TakeMember* take = nullptr) : text_(text), take_(take) {}
  bool null() override { return add(Json()); }
  bool boolean(bool v) override { return add(Json(v)); }
  bool number_integer(std::int64_t v) override { return add(Json(v)); }
  bool number_unsigned(std::uint64_t v) override { return add(Json(v)); }
  bool number_float(double v, const std::string&) override { return add(Json(v)); }
  bool string(std::string& v) override { return add(Json(std::move(v))); }
  bool binary(nlohmann::json::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& name) override {
    levels_.back().key = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    fail(ErrorCode::kInput, "not valid JSON at byte {}: {}", position,
         error.id == kTooLarge ? "the number that ends there is too large" : what_is_wrong(position));
  }
  Json take() { return std::move(root_); }

 private:
  struct Level {
    Json value;
    std::string key;
  };

  // `position` counts from 1, and lies one behind the text where that ended too early.
  std::string what_is_wrong(std::size_t position) const {
    if (position == 0 || position > text_.size()) return "the text ends too early";
    const std::size_t before = position - 1, shown = std::min(before, kMaxBefore);
    return fmt::format("{} is not expected there, after {}{}", quotation(text_.substr(before, 1)),
                       before > shown ? "... " : "", quotation(text_.substr(before - shown, shown)));
  }
  bool open(Json value) {
    if (levels_.size() >= kMaxDepth) fail(ErrorCode::kInput, "JSON nested deeper than {} levels", kMaxDepth);
    levels_.push_back({std::move(value), {}});
    return true;
  }
  bool close() {
    Json done = std::move(levels_.back().value);
    levels_.pop_back();
    if (done.is_object()) check_keys(done.as_object());
    return add(std::move(done));
  }
  bool add(Json value) {
    if (take_ && ++values_ > kMostMemberValues)
      fail(ErrorCode::kInput, "JSON with more than {} values in one member", kMostMemberValues);
    if (levels_.empty()) {
      root_ = std::move(value);
    } else if (levels_.back().value.is_array()) {
      levels_.back().value.as_array().push_back(std::move(value));
    } else if (take_ && levels_.size() == 1) {
      (*take_)(std::move(levels_.back().key), std::move(value));
      values_ = 0;
    } else {
      levels_.back().value.as_object().emplace_back(std::move(levels_.back().key), std::move(value));
    }
    return true;
  }

  std::string_view text_;
  const TakeMember* take_;
  std::size_t values_ = 0;  // of the member that is being read
  Json root_;
  std::vector<Level> levels_;
};

// How an error message shows a value: short, whatever the file holds.
std::string shown(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  if (value.is_number() && !std::isfinite(value.as_double())) return "a number that is not finite";
  if (value.is_string() && value.as_string().size() > kMaxShown)
    return fmt::format("a string of {} bytes", value.as_string().size());
  return dump_json(value);
}

[[noreturn]] void wrong_kind(const Json& value, std::string_view wanted) {
  fail(ErrorCode::kInput, "expected {}, found {}", wanted, shown(value));
}

constexpr std::size_t kPiece = 1 << 16;  // bytes of text

// Text as it grows; what is whole is taken away where somebody does.
struct Text {
  std::string bytes;
  const std::function<void(std::string_view)>* take = nullptr;

  void hand_over(std::size_t least) {
    if (!take || bytes.size() < least) return;
    (*take)(bytes);
    bytes.clear();
  }
};

void write_double(std::string& out, double v) {
  ensure(std::isfinite(v), "a value that is not finite cannot be written as JSON");
  out += nlohmann::json(v).dump();
}

void write_string(std::string& out, const std::string& text) {
  const bool is_plain = std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
  if (is_plain)
    out.append(1, '"').append(text).append(1, '"');
  else
    out += printable_json(nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void write(Text& text, const Json& value, int indent, int depth);

template <typename Items, typename One>
void write_items(Text& text, const Items& items, char open, char close, int indent, int depth, One&& one) {
  std::string& out = text.bytes;
  out += open;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i) out += ',';
    if (indent >= 0) out.append("\n").append(static_cast<std::size_t>(indent) * (depth + 1), ' ');
    one(items[i]);
    text.hand_over(kPiece);
  }
  if (indent >= 0 && !items.empty()) out.append("\n").append(static_cast<std::size_t>(indent) * depth, ' ');
  out += close;
}

void write(Text& text, const Json& value, int indent, int depth) {
  std::string& out = text.bytes;
  if (value.is_null()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (value.is_string()) {
    write_string(out, value.as_string());
  } else if (value.is_array()) {
    write_items(text, value.as_array(), '[', ']', indent, depth,
                [&](const Json& v) { write(text, v, indent, depth + 1); });
  } else if (value.is_object()) {
    write_items(text, value.as_object(), '{', '}', indent, depth, [&](const Json::Member& m) {
      write_string(out, m.first);
      out += indent >= 0 ? ": " : ":";
      write(text, m.second, indent, depth + 1);
    });
  } else if (!value.is_integer()) {
    write_double(out, value.as_double());
  } else if (value.as_double() < 0) {
    out += std::to_string(value.as_int64());
  } else {
    out += std::to_string(value.as_uint64());
  }
}

}  // namespace

bool Json::as_bool() const {
  if (const bool* v = std::get_if<bool>(&value_)) return *v;
  wrong_kind(*this, "true or false");
}

std::int64_t Json::as_int64() const {
  if (const auto* v = std::get_if<std::int64_t>(&value_)) return *v;
  if (const auto* v = std::get_if<std::uint64_t>(&value_); v && *v <= static_cast<std::uint64_t>(INT64_MAX))
    return static_cast<std::int64_t>(*v);
  wrong_kind(*this, "a 64-bit integer");
}

std::uint64_t Json::as_uint64() const {
  if (const auto* v = std::get_if<std::uint64_t>(&value_)) return *v;
  if (const auto* v = std::get_if<std::int64_t>(&value_); v && *v >= 0) return static_cast<std::uint64_t>(*v);
  wrong_kind(*this, "a non-negative integer");
}

double Json::as_double() const {
  if (const auto* v = std::get_if<double>(&value_)) return *v;
  if (const auto* v = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*v);
  if (const auto* v = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*v);
  wrong_kind(*this, "a number");
}

const std::string& Json::as_string() const {
  if (const auto* v = std::get_if<std::string>(&value_)) return *v;
  wrong_kind(*this, "a string");
}

const Json::Array& Json::as_array() const {
  if (const auto* v = std::get_if<Array>(&value_)) return *v;
  wrong_kind(*this, "an array");
}

const Json::Object& Json::as_object() const {
  if (const auto* v = std::get_if<Object>(&value_)) return *v;
  wrong_kind(*this, "an object");
}

Json::Array& Json::as_array() { return const_cast<Array&>(std::as_const(*this).as_array()); }
Json::Object& Json::as_object() { return const_cast<Object&>(std::as_const(*this).as_object()); }

const Json* Json::find(std::string_view key) const {
  const auto* members = std::get_if<Object>(&value_);
  if (!members) return nullptr;
  for (const Member& m : *members)
    if (m.first == key) return &m.second;
  return nullptr;
}

const Json& Json::at(std::string_view key) const {
  if (const Json* found = find(key)) return *found;
  fail(ErrorCode::kInput, "key \"{}\" is missing", key);
}

Json& Json::set(std::string_view key, Json value) {
  if (is_null()) value_ = Object();
  for (Member& m : as_object())
    if (m.first == key) return m.second = std::move(value);
  as_object().emplace_back(std::string(key), std::move(value));
  return as_object().back().second;
}

void Json::push_back(Json value) {
  if (is_null()) value_ = Array();
  as_array().push_back(std::move(value));
}

Json parse_json(std::string_view text) {
  Builder builder(text);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) fail(ErrorCode::kInput, "not valid JSON");
  return builder.take();
}

void parse_json_members(std::string_view text, const TakeMember& take) {
  Builder builder(text, &take);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) fail(ErrorCode::kInput, "not valid JSON");
  builder.take().as_object();
}

std::string dump_json(const Json& value, int indent) {
  Text text;
  write(text, value, indent, 0);
  return std::move(text.bytes);
}

void dump_json_pieces(const Json& value, int indent, const std::function<void(std::string_view)>& take) {
  Text text{{}, &take};
  write(text, value, indent, 0);
  text.hand_over(1);
}

void JsonWriter::hand_over(std::size_t least) {
  if (text_.size() < least) return;
  take_(text_);
  text_.clear();
}

void JsonWriter::begin(std::string_view key) {
  if (levels_.empty()) return;
  Level& level = levels_.back();
  if (!std::exchange(level.is_empty, false)) text_ += ',';
  if (indent_ >= 0) text_.append("\n").append(static_cast<std::size_t>(indent_) * levels_.size(), ' ');
  if (level.end != '}') return;
  write_string(text_, std::string(key));
  text_ += indent_ >= 0 ? ": " : ":";
}

void JsonWriter::open(std::string_view key, char first, char last) {
  begin(key);
  text_ += first;
  levels_.push_back({last, true});
}

void JsonWriter::close() {
  const Level level = levels_.back();
  levels_.pop_back();
  if (indent_ >= 0 && !level.is_empty)
    text_.append("\n").append(static_cast<std::size_t>(indent_) * levels_.size(), ' ');
  text_ += level.end;
  hand_over(kPiece);
}

void JsonWriter::member(std::string_view key, const Json& value) {
  begin(key);
  Text text{std::move(text_), &take_};
  write(text, value, indent_, static_cast<int>(levels_.size()));
  text_ = std::move(text.bytes);
  hand_over(kPiece);
}

void JsonWriter::finish() {
  while (!levels_.empty()) close();
  hand_over(1);
}

}  // namespace quern
