// One lookup for two spellings, and the words for messages.
#include "model/hyper_parameters.h"

#include <algorithm>

#include "quern/error.h"

namespace quern {
namespace {

bool is_number(std::string_view factor) { return factor.front() >= '0' && factor.front() <= '9'; }

std::uint64_t number(std::string_view factor) {
  std::uint64_t value = 0;
  for (const char digit : factor) value = 10 * value + static_cast<std::uint64_t>(digit - '0');
  return value;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(at, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// Runs `convert` on a member that is there and not null.
template <typename Convert>
auto converted(const Json* value, const char* key, Convert convert) -> std::optional<decltype(convert(*value))> {
  if (!value) return std::nullopt;
  return with_context(fmt::format("while reading {} in config.json", key), [&] { return convert(*value); });
}

std::string shown(double value) { return fmt::format("{:g}", value); }

}  // namespace

std::vector<std::string_view> axis_factors(std::string_view expression) {
  std::vector<std::string_view> factors;
  for (const std::string_view term : split(expression, '+'))
    for (const std::string_view factor : split(term, '*')) factors.push_back(factor);
  return factors;
}

HyperParameters::HyperParameters(const Checkpoint& checkpoint, std::string prefix, ConfigUse use)
    : checkpoint_(&checkpoint), prefix_(std::move(prefix)), use_(use) {
  const bool gguf = checkpoint.metadata().find("general.architecture") != nullptr;
  source_ = use == ConfigUse::kIgnore       ? Source::kTensors
            : gguf                          ? Source::kGguf
            : checkpoint.config().is_null() ? Source::kTensors
                                            : Source::kTransformers;
}

const char* HyperParameters::place() const {
  constexpr const char* kPlaces[] = {"config.json", "the GGUF metadata", "the tensors"};
  return kPlaces[static_cast<int>(source_)];
}

std::string HyperParameters::word(HyperKey key) const {
  if (source_ == Source::kGguf) return key.gguf ? gguf_key(key) : std::string(key.transformers);
  return key.transformers ? key.transformers : key.gguf;
}

const Json* HyperParameters::json(HyperKey key) const {
  if (source_ != Source::kTransformers || !key.transformers) return nullptr;
  const Json* value = checkpoint_->config().find(key.transformers);
  return value && !value->is_null() ? value : nullptr;
}

std::optional<std::uint64_t> HyperParameters::whole(HyperKey key) const {
  if (source_ != Source::kGguf || !key.gguf)
    return converted(json(key), key.transformers, [](const Json& v) { return v.as_uint64(); });
  const auto value = checkpoint_->metadata().integer(gguf_key(key));
  if (value && *value < 0) fail(ErrorCode::kInput, "{} says {} {}", place(), word(key), *value);
  return value ? std::optional(static_cast<std::uint64_t>(*value)) : std::nullopt;
}

std::optional<double> HyperParameters::real(HyperKey key) const {
  if (source_ == Source::kGguf && key.gguf) return checkpoint_->metadata().number(gguf_key(key));
  return converted(json(key), key.transformers, [](const Json& v) { return v.as_double(); });
}

std::optional<bool> HyperParameters::flag(HyperKey key) const {
  if (source_ == Source::kGguf && key.gguf) return checkpoint_->metadata().boolean(gguf_key(key));
  return converted(json(key), key.transformers, [](const Json& v) { return v.as_bool(); });
}

std::optional<std::string> HyperParameters::text(HyperKey key) const {
  if (source_ == Source::kGguf && key.gguf) return checkpoint_->metadata().text(gguf_key(key));
  return converted(json(key), key.transformers, [](const Json& v) { return v.as_string(); });
}

void HyperParameters::missing(HyperKey key) const { fail(ErrorCode::kInput, "{} has no {}", place(), word(key)); }

void HyperParameters::note(std::string property, std::string value, std::string source) {
  evidence_.push_back({std::move(property), std::move(value), std::move(source)});
}

double HyperParameters::real_or(const char* property, HyperKey key, double usual) {
  const std::optional<double> given = real(key);
  note(property, shown(given.value_or(usual)),
       given ? fmt::format("{} {}", place(), word(key)) : "assumed: the family's usual value");
  return given.value_or(usual);
}

std::uint64_t HyperParameters::whole_or(const char* property, HyperKey key, std::uint64_t usual) {
  const std::optional<std::uint64_t> given = whole(key);
  note(property, std::to_string(given.value_or(usual)),
       given ? fmt::format("{} {}", place(), word(key)) : "assumed: the family's usual value");
  return given.value_or(usual);
}

void HyperParameters::set(const std::string& name, Extent extent, const std::string& source) {
  note(name, std::to_string(extent.value), source);
  extents_[name] = std::move(extent);
}

bool HyperParameters::assumes(std::string_view name) const {
  const auto found = extents_.find(std::string(name));
  return found != extents_.end() && found->second.assumed;
}

void HyperParameters::extent(const char* name, HyperKey key, std::uint64_t limit, std::uint64_t usual) {
  const std::optional<std::uint64_t> given = whole(key);
  if (!given && usual == 0 && source_ == Source::kTensors) return;
  if (!given && usual == 0) missing(key);
  const std::uint64_t value = given.value_or(usual);
  if (value == 0 || value > limit)
    fail(ErrorCode::kInput, "{} says {} {}, which is outside 1..{}", place(), word(key), value, limit);
  set(name, {value, fmt::format("{} {}", word(key), value), !given},
      given ? fmt::format("{} {}", place(), word(key)) : fmt::format("assumed: {} has no {}", place(), word(key)));
}

void HyperParameters::infer(const std::string& name, std::uint64_t value, const std::string& source) {
  set(name, {value, fmt::format("{} {}", name, value), false}, source);
}

void HyperParameters::assume(const std::string& name, std::uint64_t value, const std::string& why) {
  set(name, {value, fmt::format("{} {}", name, value), true}, "assumed: " + why);
}

std::uint64_t HyperParameters::operator[](std::string_view name) const {
  const auto found = extents_.find(std::string(name));
  if (found == extents_.end())
    fail(ErrorCode::kInput, "nothing says what the model's {} is: {} has no such value and no tensor shows it", name,
         place());
  return found->second.value;
}

std::uint64_t HyperParameters::axis(std::string_view expression) const {
  std::uint64_t sum = 0;
  for (const std::string_view term : split(expression, '+')) {
    std::uint64_t product = 1;
    for (const std::string_view factor : split(term, '*'))
      product *= is_number(factor) ? number(factor) : (*this)[factor];
    sum += product;
  }
  return sum;
}

std::string HyperParameters::claim(std::string_view expression) const {
  std::string text;
  std::vector<std::string_view> said;
  for (const std::string_view factor : axis_factors(expression)) {
    if (is_number(factor) || std::ranges::find(said, factor) != said.end()) continue;
    said.push_back(factor);
    const auto found = extents_.find(std::string(factor));
    ensure(found != extents_.end(), "no extent {}", factor);
    text += (text.empty() ? "" : " and ") + found->second.claim;
  }
  return fmt::format("{} {} {}", place(), source_ == Source::kTensors ? "say" : "says", text);
}

}  // namespace quern
