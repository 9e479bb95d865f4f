// The operations of protocols 0 to 5, by their codes (Python's pickletools).
#include <array>
#include <bit>
#include <charconv>

#include "archive/pickle_reader.h"
#include "base/fail.h"
#include "base/printable.h"

namespace quern {
namespace {

using Kind = PickleNode::Kind;
using R = PickleReader;

constexpr unsigned kLastProtocol = 5;

void read_protocol(R& r) {
  const auto protocol = r.take<std::uint8_t>();
  if (protocol > kLastProtocol) fail(ErrorCode::kInput, "protocol {}; 0 to {} are read", protocol, kLastProtocol);
}

// Protocol 0 has no truth values.
void push_int_or_bool(R& r) {
  const std::string_view line = r.take_line();
  if (line == "00") return r.push(R::kFalse);
  if (line == "01") return r.push(R::kTrue);
  r.push_decimal(line);
}

void push_long4(R& r) {
  const auto size = r.take<std::int32_t>();
  if (size < 0) fail(ErrorCode::kInput, "an integer of {} bytes", size);
  r.push_long(r.take_text(static_cast<std::uint64_t>(size)));
}

template <typename T>
T number_of(std::string_view line) {
  T value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error != std::errc() || end != line.data() + line.size())
    fail(ErrorCode::kInput, "\"{}\" is no number that fits", excerpt(line));
  return value;
}

double big_endian_double(R& r) { return std::bit_cast<double>(__builtin_bswap64(r.take<std::uint64_t>())); }

void append(R& r) {
  const PickleId item = r.pop();
  r.extend(std::span(&item, 1), {Kind::kList});
}

void set_item(R& r) {
  const PickleId value = r.pop(), key = r.pop();
  const PickleId pair[] = {key, value};
  r.set_items(pair);
}

void push_dict_of_items(R& r) {
  const std::vector<PickleId> items = r.pop_to_mark();
  r.push({.kind = Kind::kDict});
  r.set_items(items);
}

void push_global(R& r) {
  const std::string_view module = r.take_line();
  r.push_name(module, r.take_line());
}

void push_stack_global(R& r) {
  const PickleNode& name = r.node(r.pop());
  const PickleNode& module = r.node(r.pop());
  if (module.kind != Kind::kText || name.kind != Kind::kText)
    fail(ErrorCode::kInput, "a name is not made of two texts");
  r.push_name(module.text, name.text);
}

void call(R& r) {
  const PickleId arguments = r.pop(), callee = r.pop();
  r.push_call(callee, arguments);
}

void call_with_names(R& r) {
  const PickleId by_name = r.pop(), arguments = r.pop(), callee = r.pop();
  r.push({.kind = Kind::kObject, .items = {callee, arguments, by_name}});
}

// Protocols 0 and 1: the class is the first item behind the mark, or in the operation.
void call_first_item(R& r) {
  std::vector<PickleId> items = r.pop_to_mark();
  if (items.empty()) fail(ErrorCode::kInput, "an object of no class");
  const PickleId callee = items.front();
  items.erase(items.begin());
  r.push_call(callee, r.add({.kind = Kind::kTuple, .items = std::move(items)}));
}

void call_named(R& r) {
  std::vector<PickleId> items = r.pop_to_mark();
  push_global(r);
  const PickleId callee = r.pop();
  r.push_call(callee, r.add({.kind = Kind::kTuple, .items = std::move(items)}));
}

// Attributes of a container are not kept.
void build(R& r) {
  const PickleId state = r.pop();
  if (PickleNode& node = r.top(); node.kind == Kind::kObject) node.state = state;
}

template <typename T>
void push_extension(R& r) {
  r.push_name("extension", std::to_string(r.take<T>()));
}

void push_persistent(R& r) {
  const PickleId id = r.pop();
  r.push({.kind = Kind::kPersistent, .items = {id}});
}

template <typename Length>
void push_bytes(R& r) {
  r.push({.kind = Kind::kBytes, .text = r.take_text(r.take<Length>())});
}

struct Row {
  std::uint8_t code;
  PickleOperation run;
};
constexpr Row kRows[] = {
    // numbers
    {'N', [](R& r) { r.push(R::kNone); }},
    {0x88, [](R& r) { r.push(R::kTrue); }},
    {0x89, [](R& r) { r.push(R::kFalse); }},
    {'I', push_int_or_bool},
    {'J', [](R& r) { r.push_integer(r.take<std::int32_t>()); }},
    {'K', [](R& r) { r.push_integer(r.take<std::uint8_t>()); }},
    {'M', [](R& r) { r.push_integer(r.take<std::uint16_t>()); }},
    {'L', [](R& r) { r.push_decimal(r.take_line()); }},
    {0x8a, [](R& r) { r.push_long(r.take_text(r.take<std::uint8_t>())); }},
    {0x8b, push_long4},
    {'F', [](R& r) { r.push({.kind = Kind::kFloat, .number = number_of<double>(r.take_line())}); }},
    {'G', [](R& r) { r.push({.kind = Kind::kFloat, .number = big_endian_double(r)}); }},
    // texts and bytes
    {'V', [](R& r) { r.push_raw_unicode(r.take_line()); }},
    {'X', [](R& r) { r.push_utf8(r.take_text(r.take<std::uint32_t>())); }},
    {0x8c, [](R& r) { r.push_utf8(r.take_text(r.take<std::uint8_t>())); }},
    {0x8d, [](R& r) { r.push_utf8(r.take_text(r.take<std::uint64_t>())); }},
    {'S', [](R& r) { r.push_quoted(r.take_line()); }},
    {'T', [](R& r) { r.push_bytes_or_text(r.take_text(r.take<std::uint32_t>())); }},
    {'U', [](R& r) { r.push_bytes_or_text(r.take_text(r.take<std::uint8_t>())); }},
    {'B', push_bytes<std::uint32_t>},
    {'C', push_bytes<std::uint8_t>},
    {0x8e, push_bytes<std::uint64_t>},
    {0x96, push_bytes<std::uint64_t>},  // a bytearray
    // containers
    {')', [](R& r) { r.push_tuple(0); }},
    {0x85, [](R& r) { r.push_tuple(1); }},
    {0x86, [](R& r) { r.push_tuple(2); }},
    {0x87, [](R& r) { r.push_tuple(3); }},
    {'t', [](R& r) { r.push({.kind = Kind::kTuple, .items = r.pop_to_mark()}); }},
    {']', [](R& r) { r.push({.kind = Kind::kList}); }},
    {'l', [](R& r) { r.push({.kind = Kind::kList, .items = r.pop_to_mark()}); }},
    {'a', append},
    {'e', [](R& r) { r.extend(r.pop_to_mark(), {Kind::kList}); }},
    {'}', [](R& r) { r.push({.kind = Kind::kDict}); }},
    {'d', push_dict_of_items},
    {'s', set_item},
    {'u', [](R& r) { r.set_items(r.pop_to_mark()); }},
    {0x8f, [](R& r) { r.push({.kind = Kind::kSet}); }},
    {0x90, [](R& r) { r.extend(r.pop_to_mark(), {Kind::kSet}); }},
    {0x91, [](R& r) { r.push({.kind = Kind::kSet, .items = r.pop_to_mark()}); }},
    // classes and objects
    {'c', push_global},
    {0x93, push_stack_global},
    {'R', call},
    {0x81, call},
    {0x92, call_with_names},
    {'o', call_first_item},
    {'i', call_named},
    {'b', build},
    {0x82, push_extension<std::uint8_t>},
    {0x83, push_extension<std::uint16_t>},
    {0x84, push_extension<std::int32_t>},
    {'P', [](R& r) { r.push_bytes_or_text(r.take_line()), push_persistent(r); }},
    {'Q', push_persistent},
    // stack and memo
    {'(', [](R& r) { r.mark(); }},
    {'0', [](R& r) { r.drop(); }},
    {'1', [](R& r) { r.pop_to_mark(); }},
    {'2', [](R& r) { r.duplicate(); }},
    {'p', [](R& r) { r.put(number_of<std::uint64_t>(r.take_line())); }},
    {'q', [](R& r) { r.put(r.take<std::uint8_t>()); }},
    {'r', [](R& r) { r.put(r.take<std::uint32_t>()); }},
    {0x94, [](R& r) { r.put_next(); }},
    {'g', [](R& r) { r.get(number_of<std::uint64_t>(r.take_line())); }},
    {'h', [](R& r) { r.get(r.take<std::uint8_t>()); }},
    {'j', [](R& r) { r.get(r.take<std::uint32_t>()); }},
    {0x80, read_protocol},
    {0x95, [](R& r) { r.take<std::uint64_t>(); }},  // a frame: nothing depends on how much comes
    {'.', [](R& r) { r.stop(); }},
};

constexpr auto kByCode = [] {
  std::array<PickleOperation, 256> by_code = {};
  for (const Row& row : kRows) by_code[row.code] = row.run;
  return by_code;
}();

}  // namespace

PickleOperation find_pickle_operation(std::uint8_t code) { return kByCode[code]; }

}  // namespace quern
