// Options as CLI11 takes them.
#include "cli/model_options.h"

#include <utility>

#include "base/fail.h"
#include "base/names.h"
#include "checkpoint/checkpoint.h"
#include "cli/command_text.h"
#include "format/formats.h"
#include "plan/scheme.h"

namespace quern::cli {
namespace {

void check_one_size(const ModelOptions& o) {
  std::string given;
  std::size_t count = 0;
  for (const auto& [name, value] :
       {std::pair{"--target-size", &o.target_size}, {"--target-bpw", &o.target_bpw}, {"--min-ratio", &o.min_ratio}})
    if (!value->empty()) given += fmt::format("{}{} {}", count++ ? " and " : "", name, *value);
  if (count > 1)
    fail(ErrorCode::kUsage, "{} each say how large the model may become; give the smaller of them alone", given);
}

std::optional<SizeGoal> size_goal(const ModelOptions& o) {
  check_one_size(o);
  if (!o.target_size.empty()) return SizeGoal{SizeGoal::Unit::kBytes, static_cast<double>(parse_bytes(o.target_size))};
  if (!o.target_bpw.empty()) return SizeGoal{SizeGoal::Unit::kBitsPerWeight, parse_positive(o.target_bpw)};
  if (!o.min_ratio.empty()) return SizeGoal{SizeGoal::Unit::kRatio, parse_ratio(o.min_ratio)};
  return std::nullopt;
}

constexpr std::pair<const char*, CompressOptions::Mode> kModes[] = {{"auto", CompressOptions::Mode::kAuto},
                                                                    {"advanced", CompressOptions::Mode::kAdvanced}};

std::vector<std::string> names_of_modes() {
  std::vector<std::string> names;
  for (const auto& [name, mode] : kModes) names.emplace_back(name);
  return names;
}

CompressOptions::Mode parse_mode(const std::string& text) {
  for (const auto& [name, mode] : kModes)
    if (is_same_name(name, text)) return mode;
  fail(ErrorCode::kUsage, "there is no mode \"{}\"; did you mean {}?", text, nearest_names(text, names_of_modes()));
}

std::vector<std::string> names_of_written() {
  std::vector<std::string> names;
  for (const Format* format : formats())
    if (format->is_written()) names.emplace_back(format->name);
  return names;
}

}  // namespace

CompressOptions& ModelOptions::resolved() {
  compress.machine = shared.machine();
  if (!max_perplexity_increase.empty())
    compress.bound.max_perplexity_increase = parse_fraction(max_perplexity_increase);
  if (!max_kld.empty()) compress.bound.max_kld = parse_number(max_kld);
  compress.size = size_goal(*this);
  compress.mode = parse_mode(mode);
  if (damage) compress.damage = CompressOptions::Damage::kAllow;
  if (is_same_name(compress.optimizer, kMeasuredOptimizer)) compress.optimizer = kMeasuredOptimizer;
  return compress;
}

StandardInput ModelOptions::standard_input() {
  return StandardInput({{"--calib", &compress.calibration_text},
                        {"--gate-text", &compress.gate_text},
                        {"--report-text", &compress.report_text},
                        {"--precision-map", &compress.precision_map},
                        {"--plan", &compress.plan}});
}

void add_model(CLI::App& app, ModelOptions& o) {
  CompressOptions& c = o.compress;
  app.add_option("MODEL", c.input, "A Hugging Face folder, or a file that quern formats lists as read")
      ->type_name("PATH")
      ->required();
  app.add_option("--adapter", c.adapter, "Merge this LoRA adapter (a folder of PEFT) into the model first")
      ->type_name("FOLDER");
  add_drop(app, c.drop);
  offer(app.add_option("--scheme", c.scheme, "How small: a mix of number formats; quern schemes lists them"),
        names_of(schemes()))
      ->type_name("NAME")
      ->capture_default_str();
  offer(app.add_option("--format", c.format, "Kind of file (default: the scheme's); quern formats says who loads it"),
        names_of_written())
      ->type_name("NAME");
  app.add_option("--calib", c.calibration_text,
                 "Calibration text: 4/5 for statistics, 1/5 held out for bounds and sizes")
      ->type_name("FILE");
}

void add_target_size(CLI::App& app, ModelOptions& o) {
  app.add_option("--target-size", o.target_size, "The least loss in at most this size, such as 20MB (needs --calib)")
      ->type_name("SIZE");
  offer(app.add_option("--mode", o.mode,
                       "auto: what programs load; advanced: search all formats for a size or a bound, Quern's own too"),
        names_of_modes())
      ->type_name("NAME")
      ->capture_default_str();
}

void add_other_sizes(CLI::App& app, ModelOptions& o) {
  app.add_option("--target-bpw", o.target_bpw, "The same in bits per weight, all files counted, such as 3.4")
      ->type_name("X")
      ->group(kMoreSizes);
  app.add_option("--min-ratio", o.min_ratio, "The same as how many times smaller than the original, such as 6x")
      ->type_name("RATIO")
      ->group(kMoreSizes);
  app.add_option(
         "--survey-passes", o.compress.survey_passes,
         "Measure what matrices lose in at most N passes: fewer are quicker and tell less (default: by the model)")
      ->type_name("N")
      ->check(whole_number_from(1))
      ->group(kMoreSizes);
}

void add_texts(CLI::App& app, ModelOptions& o) {
  CompressOptions& c = o.compress;
  const auto add_file = [&](const char* name, std::filesystem::path& path, const char* text) {
    app.add_option(name, path, text)->type_name("FILE")->group(kMoreTexts);
  };
  const auto add_count = [&](const char* name, std::size_t& count, const char* text) {
    app.add_option(name, count, text)
        ->type_name("N")
        ->capture_default_str()
        ->check(whole_number_from(0))
        ->group(kMoreTexts);
  };
  app.add_option("--imatrix", c.statistics,
                 "Statistics in place of --calib: an importance matrix (llama.cpp's GGUF or .dat, or ours), or a "
                 "folder of plan --save-statistics")
      ->type_name("PATH")
      ->group(kMoreTexts);
  add_file("--gate-text", c.gate_text,
           "Text that bounds and sizes are decided on (default: the fifth of --calib that is held out)");
  add_count("--calib-windows", c.calibration_windows,
            "Windows of 512 tokens that statistics are taken from, at most; more are better and slower (0: all)");
  add_count("--gate-windows", c.gate_windows,
            "Windows that bounds and sizes are decided on, at most; more are surer and slower (0: all)");
}

void add_choices(CLI::App& app, ModelOptions& o) {
  app.add_option("--precision-map", o.compress.precision_map,
                 "Give single tensors the number formats of these rules (JSON)")
      ->type_name("FILE")
      ->group(kMoreChoices);
  app.add_option("--optimizer", o.compress.optimizer,
                 "How weights are rounded, from quick to careful: rtn (to the nearest), weighted (by importance), ldlq "
                 "(error feedback), descent (that refined); auto: what measures better")
      ->type_name("NAME")
      ->group(kMoreChoices);
  app.add_flag("--allow-damage", o.damage,
               "Give formats of three values to a model that was not trained for them, which ruins it")
      ->group(kMoreChoices);
  add_compute(app, o.shared)->group(kMoreChoices);
  add_shared(app, o.shared);
  app.get_option("--threads")->group(kMoreChoices);
  app.get_option("--verbose")->group(kMoreChoices);
}

}  // namespace quern::cli
