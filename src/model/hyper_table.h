// The values of a family's configurations, each under both names: the rows that read them are the rows that write them.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "model/hyper_parameters.h"

namespace quern {

struct HyperRow {
  // An extent; a real and a whole number that the family reads; an extent under a further name, and a zero that a
  // loader asks for, which are only written.
  enum class Kind { kExtent, kReal, kWhole, kRepeat, kZero };
  const char* name;  // of the extent or number
  HyperKey key;
  std::uint64_t limit = HyperParameters::kExtentLimit;  // of an extent
  Kind kind = Kind::kExtent;
};

inline constexpr const char* kEpsilonName = "norm epsilon";
// Not every family's GGUF files hold it, so that it stands beside their tables.
inline constexpr HyperRow kVocabularyRow{"vocab", {"vocab_size", "vocab_size"}};

// Sets the extents of the rows (HyperParameters::extent).
void read_extents(HyperParameters& parameters, std::span<const HyperRow> rows);
// The key of the row of that name. REQUIRES: there is one.
HyperKey key_of(std::span<const HyperRow> rows, std::string_view name);

// Values of the rows that are no extents, by name.
using Numbers = std::map<std::string_view, double>;

// The rows as GGUF pairs behind `prefix`, in their order.
void write_values(std::span<const HyperRow> rows, const ModelSpec& spec, const Numbers& numbers,
                  const std::string& prefix, Metadata& metadata);
// The rows as members of config.json. Reals are the shortest decimals of the 32-bit floats that they are in GGUF.
void write_values(std::span<const HyperRow> rows, const ModelSpec& spec, const Numbers& numbers, Json& config);

// The double that the shortest decimal of a 32-bit float stands for: 1e-5, not 9.99999974737875e-6.
double shortest_decimal(double value);

}  // namespace quern
