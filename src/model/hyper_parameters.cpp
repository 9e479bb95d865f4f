// One lookup for two spellings, and the words for messages.
#include "model/hyper_parameters.h"

#include <algorithm>

#include "base/fail.h"

namespace quern {
namespace {

using Kind = Evidence::Kind;

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

double HyperParameters::real_or(const char* property, HyperKey key, double usual) {
  const std::optional<double> given = real(key);
  note(given ? Evidence{property, shown(*given), fmt::format("{} {}", place(), word(key)), Kind::kStated}
             : Evidence{property, shown(usual), kUsualValue, Kind::kAssumed});
  return given.value_or(usual);
}

std::uint64_t HyperParameters::whole_or(const char* property, HyperKey key, std::uint64_t usual) {
  const std::optional<std::uint64_t> given = whole(key);
  note(given ? Evidence{property, std::to_string(*given), fmt::format("{} {}", place(), word(key)), Kind::kStated}
             : Evidence{property, std::to_string(usual), kUsualValue, Kind::kAssumed});
  return given.value_or(usual);
}

void HyperParameters::set(const std::string& name, Extent extent, std::string source) {
  note({name, std::to_string(extent.value), std::move(source), extent.kind});
  extents_[name] = std::move(extent);
}

bool HyperParameters::assumes(std::string_view name) const {
  const auto found = extents_.find(std::string(name));
  return found != extents_.end() && found->second.kind == Kind::kAssumed;
}

void HyperParameters::extent(const char* name, HyperKey key, std::uint64_t limit) {
  const std::optional<std::uint64_t> given = whole(key);
  if (!given) {
    if (source_ != Source::kTensors) absent_[name] = word(key);
    return;
  }
  if (*given == 0 || *given > limit)
    fail(ErrorCode::kInput, "{} says {} {}, which is outside 1..{}", place(), word(key), *given, limit);
  state(name, *given, fmt::format("{} {}", word(key), *given));
}

void HyperParameters::state(const std::string& name, std::uint64_t value, const std::string& words) {
  set(name, {value, words, Kind::kStated}, fmt::format("{} {}", place(), words.substr(0, words.find(' '))));
}

void HyperParameters::infer(const std::string& name, std::uint64_t value, const std::string& source) {
  set(name, {value, fmt::format("{} {} ({})", name, value, source), Kind::kInferred}, source);
}

void HyperParameters::assume(const std::string& name, std::uint64_t value, const std::string& why) {
  set(name, {value, fmt::format("{} {} (assumed)", name, value), Kind::kAssumed}, "assumed: " + why);
}

void HyperParameters::fall_back(const std::string& name, std::uint64_t usual) {
  if (!knows(name)) assume(name, usual, absence(name));
}

std::string HyperParameters::absence(std::string_view name) const {
  const auto key = absent_.find(name);
  return key == absent_.end() ? "the tensors do not show it" : fmt::format("{} has no {}", place(), key->second);
}

std::uint64_t HyperParameters::operator[](std::string_view name) const {
  const auto found = extents_.find(std::string(name));
  if (found == extents_.end())
    fail(ErrorCode::kInput, "nothing says what the model's {} is: {}{}", name, absence(name),
         absent_.contains(name) ? ", and no name or shape of a tensor shows it" : "");
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
  std::string stated, others;
  std::vector<std::string_view> told;
  for (const std::string_view factor : axis_factors(expression)) {
    if (is_number(factor) || std::ranges::find(told, factor) != told.end()) continue;
    told.push_back(factor);
    const auto found = extents_.find(std::string(factor));
    ensure(found != extents_.end(), "no extent {}", factor);
    std::string& text = found->second.kind == Kind::kStated ? stated : others;
    text += (text.empty() ? "" : " and ") + found->second.claim;
  }
  if (stated.empty()) return "the tensors say " + others;
  return fmt::format("{} says {}{}{}", place(), stated, others.empty() ? "" : ", and the tensors ", others);
}

}  // namespace quern
