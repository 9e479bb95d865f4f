// Shared options and small parsers.
#include "cli/options.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <map>

#include "base/fail.h"
#include "base/names.h"

namespace quern::cli {
namespace {

constexpr std::uint64_t kMostThreads = 1024;

// The number at the front of the text, and what follows it.
std::pair<double, std::string> number_and_rest(const std::string& text, const char* wanted) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !std::isfinite(value) || value < 0)
    fail(ErrorCode::kUsage, "\"{}\" is not {}", text, wanted);
  return {value, std::string(end, text.data() + text.size())};
}

}  // namespace

void add_shared(CLI::App& app, SharedOptions& options) {
  app.add_option("--threads", options.threads, "Threads (default: all processors); the result is the same for any")
      ->type_name("N")
      ->check(whole_number_from(0, kMostThreads));
  app.add_flag("--json", options.json, "Print the result, or the error, as JSON");
  app.add_flag("-q,--quiet", options.quiet, "Neither progress nor notes");
  app.add_flag("-v,--verbose", options.verbose, "A line for every step that is done");
}

CLI::Option* add_max_memory(CLI::App& app, SharedOptions& options, const char* standard) {
  const std::string text = fmt::format("Memory to stay within, such as 2GiB (default: {})", standard);
  return app.add_option("--max-memory", options.max_memory, text)->type_name("SIZE");
}

CLI::Option* add_drop(CLI::App& app, std::vector<std::string>& patterns, const char* flag, const char* text) {
  return app.add_option(flag, patterns, text)->type_name("PATTERN")->allow_extra_args(false);
}

CLI::Option* add_compute(CLI::App& app, SharedOptions& options) {
  return app
      .add_option("--compute", options.compute, "Arithmetic on texts: f32, bf16 (quicker), or auto (the best here)")
      ->type_name("NAME")
      ->capture_default_str()
      ->transform(one_of({"auto", "f32", "bf16"}));
}

MachineOptions SharedOptions::machine() const {
  MachineOptions machine{
      .threads = threads, .precision = std::nullopt, .max_memory = max_memory.empty() ? 0 : parse_bytes(max_memory)};
  if (compute == "f32") machine.precision = Precision::kF32;
  if (compute == "bf16") machine.precision = Precision::kBf16;
  return machine;
}

std::uint64_t parse_bytes(const std::string& text) {
  static const std::map<std::string, double> kUnits{
      {"", 1}, {"b", 1}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"kib", 1024}, {"mib", 1048576}, {"gib", 1073741824.0}};
  constexpr const char* kSize = "a size such as 800MB or 2GiB (B, KB, MB, GB, KiB, MiB or GiB)";
  const auto [value, unit] = number_and_rest(text, kSize);
  const auto found = kUnits.find(small_letters(unit));
  if (found == kUnits.end() || value * found->second >= 1e18) fail(ErrorCode::kUsage, "\"{}\" is not {}", text, kSize);
  return static_cast<std::uint64_t>(value * found->second);
}

double parse_fraction(const std::string& text) {
  const auto [value, unit] = number_and_rest(text, "a share such as 3% or 0.03");
  if (unit != "" && unit != "%") fail(ErrorCode::kUsage, "\"{}\" is not a share such as 3% or 0.03", text);
  if (unit.empty() && value >= 1)
    fail(ErrorCode::kUsage, "\"{}\" would be {} times as much; write {}% or {}", text, 1 + value, value, value / 100);
  return unit == "%" ? value / 100 : value;
}

double parse_number(const std::string& text) {
  const auto [value, unit] = number_and_rest(text, "a number such as 0.02");
  if (!unit.empty()) fail(ErrorCode::kUsage, "\"{}\" is not a number such as 0.02", text);
  return value;
}

double parse_positive(const std::string& text) {
  const double value = parse_number(text);
  if (value <= 0) fail(ErrorCode::kUsage, "\"{}\" is not a number above 0", text);
  return value;
}

double parse_ratio(const std::string& text) {
  const auto [value, unit] = number_and_rest(text, "a ratio such as 6x");
  if (unit != "" && unit != "x") fail(ErrorCode::kUsage, "\"{}\" is not a ratio such as 6x", text);
  if (value < 1)
    fail(ErrorCode::kUsage, "\"{}\" would be larger than the source; a ratio is at least 1, such as 6x", text);
  return value;
}

CLI::Validator whole_number_from(std::uint64_t least, std::uint64_t most) {
  const auto check = [least, most](const std::string& text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size() && value >= least && value <= most)
      return std::string();
    return fmt::format("\"{}\" is not a whole number from {} {}", text, least,
                       most == kNoMost ? "on" : fmt::format("to {}", most));
  };
  return CLI::Validator(check, "");
}

CLI::Validator one_of(const std::vector<std::string>& names) {
  const auto check = [names](std::string& text) {
    for (const std::string& name : names)
      if (is_same_name(name, text)) {
        text = name;
        return std::string();
      }
    return fmt::format("\"{}\" is none of {}", text, CLI::detail::join(names, ", "));
  };
  return CLI::Validator(check, "{" + CLI::detail::join(names) + "}");
}

}  // namespace quern::cli
