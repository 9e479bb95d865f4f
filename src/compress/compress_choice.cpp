// Scheme and container, or why the options do not go together.
#include "compress/compress_choice.h"

#include "base/fail.h"
#include "base/printable.h"
#include "base/utf8.h"
#include "format/formats.h"
#include "package/one_file.h"
#include "package/package.h"

namespace quern {
namespace {

// Error(kInput) where a text is to be run through a model that nothing recognises.
void check_can_run(const CompressOptions& options, const OpenModel& source) {
  const bool runs = options.bound.is_set() || !options.calibration_text.empty() || !options.gate_text.empty() ||
                    !options.report_text.empty() || !options.statistics.empty();
  if (runs && !source.can_run())
    fail(ErrorCode::kInput,
         "no architecture recognises {} ({}), so no text can be run through it: leave out `calibration_text`, "
         "`statistics`, `gate_text`, `report_text`, `bound.max_perplexity_increase` and `bound.max_kld` to compress it "
         "without measuring its quality",
         source.checkpoint.path().string(), source.spec.evidence.front().source);
}

// What `find` finds by a name in the plan: one that is not known is the plan's fault.
template <typename Find>
auto of_plan(const CompressOptions& options, Find find) {
  try {
    return find();
  } catch (const Error& error) {
    fail(ErrorCode::kInput, "the plan {}: {}", options.plan.string(), error.what());
  }
}

bool makes_one_file(const Format& format) { return format.companions == Format::Companions::kInside; }

bool is_one_file_asked(const CompressOptions& options) {
  if (options.format.empty()) return !options.output.empty() && is_one_file(options.output);
  return makes_one_file(find_format(options.format)) && find_scheme(options.scheme).substitute;
}

// What is written to folders by itself has a substitute there, or is refused.
SchemeChoice scheme_of_one_file(const CompressOptions& options) {
  const Scheme& scheme = find_scheme(options.scheme);
  if (makes_one_file(find_format(scheme.format))) return {&scheme, {}};
  if (!scheme.substitute)
    fail(ErrorCode::kUsage,
         "the scheme {} is written to a folder of {}, and the `output` {} is one file; name a folder, or take a scheme "
         "of gguf such as q4_k_m",
         scheme.name, scheme.format, options.output.string());
  return {&find_scheme(scheme.substitute),
          fmt::format("{} instead of {}, which is written to a folder", scheme.substitute, scheme.name)};
}

// Whether single matrices may be measured: by plan wherever there is a text, by compress for a size or a bound.
bool may_survey(const CompressOptions& options) {
  if (options.size || options.bound.is_set()) return true;
  return options.output.empty() && (!options.calibration_text.empty() || !options.gate_text.empty());
}

void check_sequence(const CompressOptions& options) {
  if (options.sequence == CompressOptions::Sequence::kNone) return;
  if (!options.plan.empty())
    throw Error(ErrorCode::kUsage,
                "a plan says of each matrix whether it is calibrated in sequence; leave `sequence` out");
  if (options.calibration_text.empty())
    throw Error(
        ErrorCode::kUsage,
        "`sequence` measures the inputs of matrices behind compressed ones, for which statistics are not enough: "
        "give `calibration_text`");
  if (!options.statistics.empty())
    throw Error(ErrorCode::kUsage,
                "`sequence` calibrates anew, and `statistics` are of the original; give one of the two");
  if (options.optimizer != kMeasuredOptimizer && find_optimizer(options.optimizer).needs != Optimizer::Needs::kHessian)
    fail(ErrorCode::kUsage,
         "`sequence` is for codes that are chosen by Hessians, and the optimizer {} has no use for them; leave one of "
         "the two out",
         options.optimizer);
}

}  // namespace

void check_option_pairs(const CompressOptions& options) {
  if (options.survey_passes && !may_survey(options))
    fail(ErrorCode::kUsage, "`survey_passes` limits how matrices are measured {}; leave it out, or give one",
         options.output.empty() ? "on a text, and there is none (`calibration_text`, `gate_text`)"
                                : "for a size or a bound, and there is neither (`size`, `bound.max_kld` ...)");
  const bool is_advanced = options.mode == CompressOptions::Mode::kAdvanced;
  if (is_advanced && !options.size && !options.bound.is_set())
    throw Error(
        ErrorCode::kUsage,
        "the advanced `mode` searches among all number formats of the container, and there is nothing to search "
        "for: add `size`, `bound.max_kld` or `bound.max_perplexity_increase`");
  if (is_advanced && !options.precision_map.empty())
    throw Error(ErrorCode::kUsage,
                "the advanced `mode` chooses the number formats that `precision_map` would set; give one of the two");
  check_sequence(options);
  if (options.plan.empty()) return;
  if (is_advanced)
    throw Error(ErrorCode::kUsage,
                "a plan has chosen the number formats that the advanced `mode` would search for; give one of the two");
  if (options.size)
    throw Error(ErrorCode::kUsage,
                "a plan has chosen the number formats that a size would choose; give one of the two");
  if (!options.precision_map.empty())
    throw Error(ErrorCode::kUsage,
                "a plan has chosen the number formats that `precision_map` would set; give one of the two");
}

void check_name(const std::string& name) {
  constexpr std::size_t kLongest = 200;  // bytes: file systems take 255, and a size or a scheme follows
  const auto refuse = [&](const std::string& why) {
    fail(ErrorCode::kUsage, "the `name` \"{}\" {}; it becomes a part of file names and of the card",
         printable_line(name), why);
  };
  if (name.empty()) return;
  if (name.size() > kLongest) refuse(fmt::format("has {} bytes, more than {}", name.size(), kLongest));
  if (first_invalid_utf8(name)) refuse("is not UTF-8");
  if (name.find_first_of("/\\") != std::string::npos) refuse("holds a slash");
  if (name.front() == '.' || name.front() == '-') refuse(fmt::format("begins with \"{}\"", name.front()));
  if (printable_line(name) != name) refuse("holds control characters");
  if (name.find_first_not_of(' ') == std::string::npos) refuse("is empty");
}

std::filesystem::path given_moments(const CompressOptions& options) {
  std::error_code ec;
  const bool is_folder = std::filesystem::is_directory(options.statistics, ec);
  return is_folder ? options.statistics / kStatisticsName : options.statistics;
}

std::filesystem::path given_hessians(const CompressOptions& options) {
  std::error_code ec;
  const std::filesystem::path folder = options.statistics / kHessiansName;
  return !options.statistics.empty() && std::filesystem::is_directory(folder, ec) ? folder : std::filesystem::path();
}

const Optimizer* optimizer_for(const CompressOptions& options) {
  if (options.optimizer == kMeasuredOptimizer) return nullptr;
  const Optimizer& named = find_optimizer(options.optimizer);
  if (named.needs > Optimizer::Needs::kNothing && options.calibration_text.empty() && options.statistics.empty())
    fail(ErrorCode::kUsage,
         "the optimizer {} goes by the inputs of matrices on a text, and there is none: give `calibration_text`",
         named.name);
  if (named.needs > Optimizer::Needs::kMoments && !options.statistics.empty() && given_hessians(options).empty())
    fail(ErrorCode::kUsage,
         "the optimizer {} needs products of inputs, and an importance matrix has their squares alone: in place of "
         "`statistics` give `calibration_text`, or the folder that planning kept (`statistics_folder`)",
         named.name);
  return &named;
}

SchemeChoice scheme_for(const CompressOptions& options, const Plan* given, const OpenModel& source) {
  check_can_run(options, source);
  if (given) return {of_plan(options, [&] { return &find_scheme(given->scheme); }), {}};
  if (is_one_file_asked(options)) return scheme_of_one_file(options);
  return choose_scheme(options.scheme, options.format, source);
}

const Format& format_for(const CompressOptions& options, const Plan* given, const Scheme& scheme) {
  const Format& format = given ? *of_plan(options, [&] { return &find_format(given->format); })
                               : find_format(options.format.empty() ? scheme.format : options.format);
  if (!options.output.empty() && is_one_file(options.output) && !makes_one_file(format))
    fail(ErrorCode::kUsage, "{} is a folder of files, and the `output` {} is one file; name a folder", format.name,
         options.output.string());
  if (given) return format;
  if (options.size && !options.precision_map.empty())
    throw Error(ErrorCode::kUsage,
                "a size chooses the number formats that `precision_map` would set; give one of the two");
  return format;
}

}  // namespace quern
