// The machine, without what makes pickles dangerous: a call makes a node.
#include "archive/pickle_reader.h"

#include <algorithm>
#include <charconv>

#include "base/fail.h"
#include "base/printable.h"
#include "base/utf8.h"

namespace quern {
namespace {

using Kind = PickleNode::Kind;

// What may be kept beside the bytes themselves. A list of None takes one byte an item in the pickle and up to twelve
// here.
constexpr std::uint64_t kFreeBytes = std::uint64_t{8} << 20, kBytesPerByte = 14, kMostBytes = std::uint64_t{900} << 20;
constexpr std::uint64_t kNodeBytes = sizeof(PickleNode) + 8;
constexpr std::uint64_t kSlotBytes = 3 * sizeof(PickleId);  // of a vector, while it grows
constexpr std::int64_t kSmallIntegers = 256;                // one node each, as Python keeps one object each
constexpr PickleId kZero = 3;
constexpr PickleId kUnset = UINT32_MAX;

// Python's own containers, which some protocols write as calls of their names.
struct Container {
  std::string_view name;
  Kind kind;
  enum class Arguments { kItems, kFactory } arguments = Arguments::kItems;
};
constexpr Container kContainers[] = {
    {"collections.OrderedDict", Kind::kDict},
    {"collections.defaultdict", Kind::kDict, Container::Arguments::kFactory},
    {"builtins.dict", Kind::kDict},
    {"builtins.list", Kind::kList},
    {"builtins.tuple", Kind::kTuple},
    {"builtins.set", Kind::kSet},
    {"builtins.frozenset", Kind::kSet},
    {"__builtin__.dict", Kind::kDict},
    {"__builtin__.list", Kind::kList},
    {"__builtin__.tuple", Kind::kTuple},
    {"__builtin__.set", Kind::kSet},
    {"__builtin__.frozenset", Kind::kSet},
    {"torch.Size", Kind::kTuple},
};

// Whatever is no character becomes ill-formed, which is found then.
void append_utf8(std::string& text, std::uint32_t character) {
  const auto tail = [&](unsigned shift) { text += static_cast<char>(0x80 | (character >> shift & 0x3f)); };
  if (character < 0x80) {
    text += static_cast<char>(character);
  } else if (character < 0x800) {
    text += static_cast<char>(0xc0 | character >> 6), tail(0);
  } else if (character < 0x10000) {
    text += static_cast<char>(0xe0 | character >> 12), tail(6), tail(0);
  } else {
    text += static_cast<char>(0xf0 | (character >> 18 & 0xf)), tail(12), tail(6), tail(0);
  }
}

bool is_sequence(Kind kind) { return kind == Kind::kTuple || kind == Kind::kList || kind == Kind::kSet; }

}  // namespace

PickleReader::PickleReader(ByteSpan bytes)
    : bytes_(bytes), budget_(std::min(kFreeBytes + kBytesPerByte * bytes.size(), kMostBytes)) {
  add({});
  for (const std::int64_t truth : {0, 1}) add({.kind = Kind::kBool, .integer = truth});
  for (std::int64_t i = 0; i < kSmallIntegers; ++i) add({.kind = Kind::kInteger, .integer = i});
}

Pickle PickleReader::read() {
  while (!stopped_) {
    const std::size_t at = at_;
    const auto code = take<std::uint8_t>();
    try {
      const PickleOperation operation = find_pickle_operation(code);
      if (!operation) fail(ErrorCode::kInput, "no operation has this code");
      operation(*this);
    } catch (Error& error) {
      throw error.add_context(fmt::format("at byte {} of the pickle, operation {:#04x}", at, code));
    }
  }
  pickle_.bytes_ = at_;
  pickle_.memory_ = used_;
  return std::move(pickle_);
}

std::string_view PickleReader::take_text(std::uint64_t count) {
  if (count > bytes_.size() - at_) throw EndOfBytes();
  const ByteSpan taken = bytes_.subspan(at_, count);
  at_ += count;
  return {reinterpret_cast<const char*>(taken.data()), taken.size()};
}

std::string_view PickleReader::take_line() {
  const auto rest = bytes_.subspan(at_);
  const auto end = std::ranges::find(rest, std::byte{'\n'});
  if (end == rest.end()) throw EndOfBytes();
  const std::string_view line = take_text(static_cast<std::uint64_t>(end - rest.begin()));
  ++at_;
  return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

void PickleReader::charge(std::uint64_t bytes) {
  used_ += bytes;
  if (used_ > budget_)
    fail(ErrorCode::kInput, "the pickle needs more than the {} bytes of memory that its {} may take", budget_,
         bytes_.size());
}

PickleId PickleReader::add(PickleNode node) {
  charge(kNodeBytes + node.items.size() * kSlotBytes);
  pickle_.nodes_.push_back(std::move(node));
  return static_cast<PickleId>(pickle_.nodes_.size() - 1);
}

std::string_view PickleReader::keep(std::string text) {
  charge(text.size() + sizeof text);
  return pickle_.texts_.emplace_back(std::move(text));
}

void PickleReader::push(PickleId id) {
  stack_.push_back(id);
  if (stack_.size() > deepest_) charge(kSlotBytes), deepest_ = stack_.size();
}

PickleId PickleReader::pop() {
  if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back()))
    fail(ErrorCode::kInput, "it takes from an empty stack");
  const PickleId id = stack_.back();
  stack_.pop_back();
  return id;
}

PickleNode& PickleReader::top() {
  const PickleId id = pop();
  stack_.push_back(id);
  return pickle_.nodes_[id];
}

void PickleReader::mark() {
  marks_.push_back(static_cast<std::uint32_t>(stack_.size()));
  if (marks_.size() > most_marks_) charge(kSlotBytes), most_marks_ = marks_.size();
}

std::vector<PickleId> PickleReader::pop_to_mark() {
  if (marks_.empty()) fail(ErrorCode::kInput, "it takes up to a mark that was not set");
  const auto begin = stack_.begin() + marks_.back();
  std::vector<PickleId> items(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return items;
}

void PickleReader::drop() {
  if (!marks_.empty() && marks_.back() == stack_.size()) {
    marks_.pop_back();
  } else {
    pop();
  }
}

void PickleReader::push_integer(std::int64_t value) {
  if (value >= 0 && value < kSmallIntegers) return push(static_cast<PickleId>(kZero + value));
  push({.kind = Kind::kInteger, .integer = value});
}

void PickleReader::push_long(std::string_view twos_complement) {
  if (twos_complement.size() > 8) return push({.kind = Kind::kBigInteger, .text = twos_complement});
  const bool negative = !twos_complement.empty() && (twos_complement.back() & 0x80);
  std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
  for (std::size_t i = twos_complement.size(); i-- > 0;)
    value = value << 8 | static_cast<std::uint8_t>(twos_complement[i]);
  push_integer(static_cast<std::int64_t>(value));
}

void PickleReader::push_decimal(std::string_view digits) {
  if (digits.ends_with('L')) digits.remove_suffix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end != digits.data() + digits.size() || digits.empty())
    fail(ErrorCode::kInput, "\"{}\" is no integer", excerpt(digits));
  if (error != std::errc()) return push({.kind = Kind::kBigInteger, .text = digits});
  push_integer(value);
}

void PickleReader::push_utf8(std::string_view text) {
  if (const auto bad = first_invalid_utf8(text))
    fail(ErrorCode::kInput, "a text is not UTF-8 from its byte {} on", *bad);
  push({.kind = Kind::kText, .text = text});
}

void PickleReader::push_raw_unicode(std::string_view escaped) {
  std::string text;
  while (!escaped.empty()) {
    std::uint32_t character = static_cast<std::uint8_t>(escaped[0]);
    std::size_t length = 1;
    if (escaped.starts_with("\\u") || escaped.starts_with("\\U")) {
      length = escaped[1] == 'u' ? 6 : 10;
      const std::string_view digits = escaped.substr(2, length - 2);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), character, 16);
      if (error != std::errc() || end != digits.data() + digits.size() || digits.size() != length - 2)
        fail(ErrorCode::kInput, "\"{}\" is no escape of a character", printable_line(escaped.substr(0, length)));
    }
    append_utf8(text, character);
    escaped.remove_prefix(length);
  }
  push_utf8(keep(std::move(text)));
}

void PickleReader::push_bytes_or_text(std::string_view text) {
  push({.kind = first_invalid_utf8(text) ? Kind::kBytes : Kind::kText, .text = text});
}

// Escapes other than of quotes and backslashes stay as they are.
void PickleReader::push_quoted(std::string_view repr) {
  if (repr.size() < 2 || (repr[0] != '\'' && repr[0] != '"') || repr.back() != repr[0])
    fail(ErrorCode::kInput, "a string has no quotes around it");
  std::string text;
  for (std::size_t i = 1; i + 1 < repr.size(); ++i) {
    const bool escapes = repr[i] == '\\' && i + 2 < repr.size();
    text += repr[escapes && std::string_view("\\'\"").find(repr[i + 1]) != std::string_view::npos ? ++i : i];
  }
  push_bytes_or_text(keep(std::move(text)));
}

void PickleReader::push_tuple(std::size_t items) {
  PickleNode tuple{.kind = Kind::kTuple, .items = std::vector<PickleId>(items)};
  for (std::size_t i = items; i-- > 0;) tuple.items[i] = pop();
  push(std::move(tuple));
}

void PickleReader::push_name(std::string_view module, std::string_view name) {
  push({.kind = Kind::kName, .text = keep(fmt::format("{}.{}", module, name))});
}

void PickleReader::extend(std::span<const PickleId> items, std::initializer_list<Kind> kinds) {
  PickleNode& to = top();
  if (to.kind != Kind::kObject && std::ranges::find(kinds, to.kind) == kinds.end())
    fail(ErrorCode::kInput, "it adds items to something else than a container");
  charge(items.size() * kSlotBytes);
  to.items.insert(to.items.end(), items.begin(), items.end());
}

void PickleReader::set_items(std::span<const PickleId> keys_and_values) {
  if (keys_and_values.size() % 2) fail(ErrorCode::kInput, "a key has no value");
  extend(keys_and_values, {Kind::kDict});
}

// Picklers number the places from 0 or 1 on, so that a place is never further than the pickle is long.
void PickleReader::put(std::uint64_t place) {
  top();
  if (place > at_) fail(ErrorCode::kInput, "place {} of the memo, after {} bytes", place, at_);
  if (place >= memo_.size()) {
    charge((place + 1 - memo_.size()) * kSlotBytes);
    memo_.resize(place + 1, kUnset);
  }
  memo_[place] = stack_.back();
  ++memoized_;
}

void PickleReader::get(std::uint64_t place) {
  if (place >= memo_.size() || memo_[place] == kUnset) fail(ErrorCode::kInput, "place {} of the memo is empty", place);
  push(memo_[place]);
}

// Arguments of a container are none, or one container whose items it takes over; of a dictionary also pairs.
bool PickleReader::push_container(std::string_view name, const PickleNode& arguments) {
  const auto found = std::ranges::find(kContainers, name, &Container::name);
  if (found == std::end(kContainers) || arguments.kind != Kind::kTuple) return false;
  PickleNode made{.kind = found->kind};
  if (found->arguments == Container::Arguments::kItems && !arguments.items.empty()) {
    const PickleNode& from = pickle_.nodes_[arguments.items[0]];
    const bool is_dict = made.kind == Kind::kDict;
    if (arguments.items.size() > 1 || !(is_sequence(from.kind) || (is_dict && from.kind == Kind::kDict))) return false;
    if (is_dict && is_sequence(from.kind)) {
      for (const PickleId pair : from.items) {
        const PickleNode& both = pickle_.nodes_[pair];
        if (!is_sequence(both.kind) || both.items.size() != 2) return false;
        charge(2 * kSlotBytes);
        made.items.insert(made.items.end(), both.items.begin(), both.items.end());
      }
    } else {
      charge(from.items.size() * kSlotBytes);
      made.items = from.items;
    }
  }
  push(std::move(made));
  return true;
}

void PickleReader::push_call(PickleId callee, PickleId arguments) {
  const PickleNode& what = pickle_.nodes_[callee];
  if (what.kind == Kind::kName && push_container(what.text, pickle_.nodes_[arguments])) return;
  push({.kind = Kind::kObject, .items = {callee, arguments}});
}

std::optional<Pickle> read_pickle(ByteSpan bytes) {
  try {
    return PickleReader(bytes).read();
  } catch (const PickleReader::EndOfBytes&) {
    return std::nullopt;
  }
}

}  // namespace quern
