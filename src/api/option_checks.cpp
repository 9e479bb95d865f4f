// Ranges of single options; whether they go together is known to the rooms that use them.
#include "api/option_checks.h"

#include <cmath>
#include <limits>
#include <optional>

#include "base/fail.h"

namespace quern {
namespace {

constexpr std::uint64_t kMostThreads = 1024;
constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

void check_bound(const std::optional<double>& most, std::string_view field) {
  if (most && !(std::isfinite(*most) && *most >= 0))
    fail(ErrorCode::kUsage, "{} is {}; it should be a number from 0 on", field, *most);
}

}  // namespace

void check_given(const std::filesystem::path& path, std::string_view field, std::string_view what) {
  if (path.empty()) fail(ErrorCode::kUsage, "{} is empty; it should name {}", field, what);
}

void check_range(std::uint64_t value, std::uint64_t least, std::uint64_t most, std::string_view field) {
  if (value < least) fail(ErrorCode::kUsage, "{} is {}; the least is {}", field, value, least);
  if (value > most) fail(ErrorCode::kUsage, "{} is {}; the most is {}", field, value, most);
}

void check_machine(const MachineOptions& machine) {
  check_range(machine.threads, 0, kMostThreads, "`machine.threads`");
}

void check_compress(const CompressOptions& options) {
  check_given(options.input, "`input`", "the model to compress, a folder or a file");
  check_machine(options.machine);
  check_bound(options.bound.max_perplexity_increase, "`bound.max_perplexity_increase`");
  check_bound(options.bound.max_kld, "`bound.max_kld`");
  if (options.size && !(std::isfinite(options.size->value) && options.size->value > 0))
    fail(ErrorCode::kUsage, "the value of `size` is {}; it should be a number above 0", options.size->value);
  if (options.survey_passes) check_range(*options.survey_passes, 1, kNoLimit, "`survey_passes`");
  check_range(options.max_trials, 1, kNoLimit, "`max_trials`");
}

}  // namespace quern
