// quern compress MODEL -o OUT
#include <fmt/core.h>

#include <memory>

#include "base/counted.h"
#include "base/printable.h"
#include "cli/command_text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/preview_text.h"
#include "pipeline/compress.h"
#include "pipeline/package.h"
#include "plan/precision_table.h"
#include "quern/error.h"

namespace quern::cli {
namespace {

struct Options {
  CompressOptions compress;
  SharedOptions shared;
  std::string max_perplexity_increase, max_kld;
  std::string target_size, target_bpw, min_ratio;
  bool force = false, resume = false, dry_run = false;
};

void check_one_size(const Options& o) {
  std::string given;
  std::size_t count = 0;
  for (const auto& [name, value] :
       {std::pair{"--target-size", &o.target_size}, {"--target-bpw", &o.target_bpw}, {"--min-ratio", &o.min_ratio}})
    if (!value->empty()) given += fmt::format("{}{} {}", count++ ? " and " : "", name, *value);
  if (count > 1)
    fail(ErrorCode::kUsage, "{} each say how large the model may become; give the smaller of them alone", given);
}

std::optional<SizeGoal> size_goal(const Options& o) {
  check_one_size(o);
  if (!o.target_size.empty()) return SizeGoal{SizeGoal::Unit::kBytes, static_cast<double>(parse_bytes(o.target_size))};
  if (!o.target_bpw.empty()) return SizeGoal{SizeGoal::Unit::kBitsPerWeight, parse_positive(o.target_bpw)};
  if (!o.min_ratio.empty()) return SizeGoal{SizeGoal::Unit::kRatio, parse_ratio(o.min_ratio)};
  return std::nullopt;
}

// The whole result of a dry run, or the beginning of a run for people.
void show_preview(const Options& o) {
  if (!o.dry_run && (o.shared.json || o.shared.quiet)) return;
  const CompressPreview plan = preview(o.compress);
  if (o.dry_run && o.shared.json) {
    fmt::print("{}\n", dump_json(to_json(plan), 1));
    return;
  }
  fmt::print(o.dry_run ? stdout : stderr, "{}", printable(preview_text(o.compress, plan)));
  if (!o.dry_run) return;
  for (const std::string& note : plan.notes) fmt::print(stderr, "note: {}\n", printable(note));
}

int run(Options o) {
  o.compress.machine = o.shared.machine();
  o.compress.existing = o.force ? OutputFolder::Existing::kReplace : OutputFolder::Existing::kRefuse;
  if (o.resume) o.compress.start = CompressOptions::Start::kResume;
  if (!o.max_perplexity_increase.empty())
    o.compress.bound.max_perplexity_increase = parse_fraction(o.max_perplexity_increase);
  if (!o.max_kld.empty()) o.compress.bound.max_kld = parse_number(o.max_kld);
  o.compress.size = size_goal(o);
  show_preview(o);
  if (o.dry_run) return 0;
  const Report report = [&] {
    TerminalObserver observer(o.shared.verbosity());
    return compress(o.compress, observer);
  }();
  const auto where = report.accepted ? o.compress.output : rejected_path(o.compress.output);
  fmt::print("{}", o.shared.json ? dump_json(to_json(report), 1) + "\n" : summary(report));
  if (!o.shared.json)
    fmt::print("\n{}\n{} in {:.1f} s; the card with all figures is {}\n", precision_table(report.ladder.back().plan),
               where.string(), report.seconds, (where / kCardName).string());
  if (report.accepted) return 0;
  fmt::print(
      stderr,
      "quern: the quality bound was missed after {}, so {} was not written; the last attempt is in {}\n"
      "Allow more (--max-ppl-increase, --max-kld) or {}.\n",
      counted(report.ladder.size(), "trial"), o.compress.output.string(), where.string(),
      o.compress.size ? "a larger size" : "start from a scheme with more bits; --max-trials gives more attempts");
  return static_cast<int>(ErrorCode::kQuality);
}

template <typename Table>
std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> names;
  for (const auto* row : table) names.emplace_back(row->name);
  return names;
}

constexpr const char* kMoreSizes = "More options, a size to keep to";
constexpr const char* kMoreTexts = "More options, texts and statistics";
constexpr const char* kMoreChoices = "More options, choices and machine";

void add_common_options(CLI::App& app, Options& o) {
  CompressOptions& c = o.compress;
  app.add_option("MODEL", c.input, "A Hugging Face folder, or a .gguf file")->type_name("PATH")->required();
  app.add_option("-o,--output", c.output, "Folder to write")->type_name("FOLDER")->required();
  offer(app.add_option("--scheme", c.scheme, "Mix of number formats; quern schemes lists them"), names_of(schemes()))
      ->type_name("NAME")
      ->capture_default_str();
  offer(app.add_option("--format", c.format, "Kind of file (default: the scheme's); quern formats lists them"),
        names_of(formats()))
      ->type_name("NAME");
  app.add_option("--calib", c.calibration_text, "Text for the statistics; a fifth of it decides the quality bound")
      ->type_name("FILE");
  app.add_option("--report-text", c.report_text, "Text that is only reported on")->type_name("FILE");
  app.add_option("--max-ppl-increase", o.max_perplexity_increase, "Perplexity may rise by this much, such as 3%")
      ->type_name("SHARE");
  app.add_option("--max-kld", o.max_kld, "Mean KL divergence to the original at most, in nats, such as 0.02")
      ->type_name("X");
  app.add_option("--target-size", o.target_size, "Files of at most this size, such as 20MB, with the least loss")
      ->type_name("SIZE");
  app.add_flag("--dry-run", o.dry_run, "Say what would be done and how large it becomes; write nothing");
  app.add_flag("--force", o.force, "Replace the output folder if it exists");
  app.add_flag("--resume", o.resume, "Go on from what an interrupted run of the same command left in FOLDER.partial");
}

void add_size_options(CLI::App& app, Options& o) {
  app.add_option("--target-bpw", o.target_bpw, "As --target-size, in bits per weight, such as 3.4")
      ->type_name("X")
      ->group(kMoreSizes);
  app.add_option("--min-ratio", o.min_ratio, "The same as a share of the source, such as 6x")
      ->type_name("RATIO")
      ->group(kMoreSizes);
}

void add_text_options(CLI::App& app, CompressOptions& c) {
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
  add_file("--imatrix", c.statistics, "Importance matrix (GGUF, llama.cpp's or ours) in place of --calib");
  add_file("--gate-text", c.gate_text, "Text that decides the bound (default: a fifth of --calib)");
  add_count("--calib-windows", c.calibration_windows, "Windows of 512 tokens for the statistics, at most (0: all)");
  add_count("--gate-windows", c.gate_windows, "Windows for the bound, at most (0: all)");
  add_count("--report-windows", c.report_windows, "Windows for the report, at most (0: all)");
}

void add_choices(CLI::App& app, Options& o) {
  app.add_option("--precision-map", o.compress.precision_map, "JSON rules that give single tensors a number format")
      ->type_name("FILE")
      ->group(kMoreChoices);
  app.add_option("--max-trials", o.compress.max_trials, "Plans to try before giving up on the bound")
      ->type_name("N")
      ->capture_default_str()
      ->check(whole_number_from(1))
      ->group(kMoreChoices);
  add_compute(app, o.shared)->group(kMoreChoices);
}

}  // namespace

Subcommand add_compress(CLI::App& program, const std::string& line) {
  CLI::App* app = program.add_subcommand("compress", "Make a model smaller and measure what was lost");
  const auto o = std::make_shared<Options>();
  o->compress.command = line;
  add_common_options(*app, *o);
  add_max_memory(*app, o->shared, kHalfOfMemory);
  add_text_options(*app, o->compress);
  add_size_options(*app, *o);
  add_choices(*app, *o);
  add_shared(*app, o->shared);
  app->get_option("--threads")->group(kMoreChoices);
  app->footer("Example: quern compress models/llama-7m -o out --scheme q4_k_m --calib texts/calib.txt");
  return {app, [o] { return run(*o); }};
}

}  // namespace quern::cli
