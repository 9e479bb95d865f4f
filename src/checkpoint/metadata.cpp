// Typed look-ups in the pair list: the kind a caller wants, or an error that names the key.
#include "checkpoint/metadata.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "base/fail.h"

namespace quern {
namespace {

template <typename T>
constexpr bool kIsInteger = std::is_integral_v<T> && !std::is_same_v<T, bool>;

}  // namespace

const MetaValue* Metadata::find(std::string_view key) const {
  const auto at = std::find_if(pairs_.begin(), pairs_.end(), [&](const Pair& pair) { return pair.first == key; });
  return at == pairs_.end() ? nullptr : &at->second;
}

void Metadata::set(std::string_view key, MetaValue value) {
  if (const MetaValue* present = find(key)) {
    const_cast<MetaValue&>(*present) = std::move(value);
  } else {
    pairs_.emplace_back(std::string(key), std::move(value));
  }
}

void Metadata::erase(std::string_view key) {
  std::erase_if(pairs_, [&](const Pair& pair) { return pair.first == key; });
}

std::optional<std::int64_t> Metadata::integer(std::string_view key) const {
  const MetaValue* value = find(key);
  if (!value) return std::nullopt;
  return std::visit(
      [&](const auto& v) -> std::int64_t {
        using T = std::decay_t<decltype(v)>;
        if constexpr (kIsInteger<T>) {
          if (std::in_range<std::int64_t>(v)) return static_cast<std::int64_t>(v);
        }
        wrong_kind(key, "an integer of 64 bits");
      },
      *value);
}

std::optional<double> Metadata::number(std::string_view key) const {
  const MetaValue* value = find(key);
  if (!value) return std::nullopt;
  return std::visit(
      [&](const auto& v) -> double {
        using T = std::decay_t<decltype(v)>;
        if constexpr (kIsInteger<T> || std::is_floating_point_v<T>) {
          return static_cast<double>(v);
        } else {
          wrong_kind(key, "a number");
        }
      },
      *value);
}

std::optional<bool> Metadata::boolean(std::string_view key) const {
  const MetaValue* value = find(key);
  if (!value) return std::nullopt;
  if (const bool* v = std::get_if<bool>(value)) return *v;
  wrong_kind(key, "true or false");
}

std::optional<std::string> Metadata::text(std::string_view key) const {
  const MetaValue* value = find(key);
  if (!value) return std::nullopt;
  if (const auto* v = std::get_if<std::string>(value)) return *v;
  wrong_kind(key, "a string");
}

void Metadata::wrong_kind(std::string_view key, std::string_view wanted) {
  fail(ErrorCode::kInput, "metadata key \"{}\" does not hold {}", key, wanted);
}

}  // namespace quern
