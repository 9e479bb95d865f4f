// quern compress MODEL -o OUT
#include <fmt/core.h>

#include <memory>

#include "cli/commands.h"
#include "cli/options.h"
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
  bool force = false, resume = false;
};

std::optional<SizeGoal> size_goal(const Options& o) {
  if (!o.target_size.empty()) return SizeGoal{SizeGoal::Unit::kBytes, static_cast<double>(parse_bytes(o.target_size))};
  if (!o.target_bpw.empty()) return SizeGoal{SizeGoal::Unit::kBitsPerWeight, parse_positive(o.target_bpw)};
  if (!o.min_ratio.empty()) return SizeGoal{SizeGoal::Unit::kRatio, parse_ratio(o.min_ratio)};
  return std::nullopt;
}

int run(Options o) {
  o.compress.machine = o.shared.machine();
  o.compress.existing = o.force ? OutputFolder::Existing::kReplace : OutputFolder::Existing::kRefuse;
  if (o.resume) o.compress.start = CompressOptions::Start::kResume;
  if (!o.max_perplexity_increase.empty())
    o.compress.bound.max_perplexity_increase = parse_fraction(o.max_perplexity_increase);
  if (!o.max_kld.empty()) o.compress.bound.max_kld = parse_number(o.max_kld);
  o.compress.size = size_goal(o);
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
  fmt::print(stderr,
             "quern: the quality bound was missed after {} trials, so {} was not written; the last attempt is in {}\n"
             "Allow more (--max-ppl-increase, --max-kld, --max-trials) or start from a scheme with more bits.\n",
             report.ladder.size(), o.compress.output.string(), where.string());
  return static_cast<int>(ErrorCode::kQuality);
}

template <typename Table>
std::string names_of(const Table& table) {
  std::string names;
  for (const auto* row : table) names += (names.empty() ? "" : ", ") + std::string(row->name);
  return names;
}

void add_text_options(CLI::App& app, CompressOptions& c) {
  app.add_option("--calib", c.calibration_text,
                 "Text for the statistics; every fifth document decides the quality bound instead");
  app.add_option("--imatrix", c.statistics, "Importance matrix (GGUF, llama.cpp's or ours) in place of calibration");
  app.add_option("--gate-text", c.gate_text, "Text that decides the quality bound (default: a fifth of --calib)");
  app.add_option("--report-text", c.report_text, "Text that is only reported on");
  app.add_option("--calib-windows", c.calibration_windows,
                 "Windows of 512 tokens (or of the model's context, if shorter) for the statistics, at most (0: all)")
      ->capture_default_str()
      ->check(whole_number_from(0));
  app.add_option("--gate-windows", c.gate_windows, "Windows for the bound, at most (0: all)")
      ->capture_default_str()
      ->check(whole_number_from(0));
  app.add_option("--report-windows", c.report_windows, "Windows for the report, at most (0: all)")
      ->capture_default_str()
      ->check(whole_number_from(0));
}

}  // namespace

Subcommand add_compress(CLI::App& program, const std::string& line) {
  CLI::App* app = program.add_subcommand("compress", "Make a model smaller and measure what was lost");
  const auto o = std::make_shared<Options>();
  o->compress.command = line;
  app->add_option("MODEL", o->compress.input, "A Hugging Face folder, or a .gguf file")->required();
  app->add_option("-o,--output", o->compress.output, "Folder to write")->required();
  app->add_option("--scheme", o->compress.scheme, "One of " + names_of(schemes()))->capture_default_str();
  app->add_option("--format", o->compress.format, names_of(formats()) + " (default: what the scheme is made for)");
  app->add_option("--precision-map", o->compress.precision_map,
                  "JSON list of rules that give single tensors their number format; the others keep the scheme's");
  add_text_options(*app, o->compress);
  app->add_option("--max-ppl-increase", o->max_perplexity_increase, "Perplexity may rise by this much, such as 3%");
  app->add_option("--max-kld", o->max_kld, "Mean KL divergence to the original may be this large, in nats");
  app->add_option("--max-trials", o->compress.max_trials, "Plans to try before giving up on the bound")
      ->capture_default_str()
      ->check(whole_number_from(1));
  CLI::Option* size =
      app->add_option("--target-size", o->target_size, "Files of at most this size, such as 20MB, with the least loss");
  CLI::Option* bpw = app->add_option("--target-bpw", o->target_bpw, "The same in bits per weight, such as 3.4");
  CLI::Option* ratio =
      app->add_option("--min-ratio", o->min_ratio, "The same as a share of the source's files, such as 6x");
  size->excludes(bpw)->excludes(ratio);
  bpw->excludes(ratio);
  app->add_flag("--force", o->force, "Replace the output folder if it exists");
  app->add_flag("--resume", o->resume, "Go on from what an interrupted run of the same command left in OUTPUT.partial");
  add_shared(*app, o->shared);
  add_compute(*app, o->shared);
  add_max_memory(*app, o->shared);
  app->footer(
      "Example: quern compress models/llama-7m -o out --scheme q4_k_m --calib texts/calib.txt --report-text "
      "texts/eval.txt");
  return {app, [o] { return run(*o); }};
}

}  // namespace quern::cli
