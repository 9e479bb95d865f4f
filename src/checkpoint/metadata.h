// Typed key-value pairs, as GGUF stores them. Order is kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace quern {

struct MetaArray;
using MetaValue = std::variant<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t,
                               float, bool, std::string, MetaArray, std::uint64_t, std::int64_t, double>;

// Items of one type. A bool is stored as std::uint8_t here and marked by `is_bool` (std::vector<bool> has no storage).
struct MetaArray {
  using Items = std::variant<std::vector<std::uint8_t>, std::vector<std::int8_t>, std::vector<std::uint16_t>,
                             std::vector<std::int16_t>, std::vector<std::uint32_t>, std::vector<std::int32_t>,
                             std::vector<float>, std::vector<std::string>, std::vector<MetaArray>,
                             std::vector<std::uint64_t>, std::vector<std::int64_t>, std::vector<double>>;
  Items items;
  bool is_bool = false;

  std::size_t size() const {
    return std::visit([](const auto& v) { return v.size(); }, items);
  }
  bool operator==(const MetaArray&) const = default;
};

class Metadata {
 public:
  using Pair = std::pair<std::string, MetaValue>;

  Metadata() = default;
  // REQUIRES: no key appears twice.
  explicit Metadata(std::vector<Pair> pairs) : pairs_(std::move(pairs)) {}

  const std::vector<Pair>& pairs() const noexcept { return pairs_; }
  bool empty() const noexcept { return pairs_.empty(); }
  const MetaValue* find(std::string_view key) const;
  // Replaces in place or appends.
  void set(std::string_view key, MetaValue value);
  void erase(std::string_view key);

  // Absent: nullopt. Present with another kind: Error(kInput) that names the key. Integers of any width convert.
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string> text(std::string_view key) const;
  // The array of exactly this item type, or null when absent; another type is Error(kInput).
  template <typename T>
  const std::vector<T>* array(std::string_view key) const;

  bool operator==(const Metadata&) const = default;

 private:
  [[noreturn]] static void wrong_kind(std::string_view key, std::string_view wanted);
  std::vector<Pair> pairs_;
};

template <typename T>
const std::vector<T>* Metadata::array(std::string_view key) const {
  const MetaValue* value = find(key);
  if (!value) return nullptr;
  if (const auto* a = std::get_if<MetaArray>(value))
    if (const auto* items = std::get_if<std::vector<T>>(&a->items)) return items;
  wrong_kind(key, "an array of another item type");
}

}  // namespace quern
