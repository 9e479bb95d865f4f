// quern compress MODEL -o OUT
#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "base/counted.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/preview_text.h"
#include "cli/stages_run.h"
#include "cli/standard_streams.h"
#include "cli/terminal.h"
#include "cli/titled_text.h"
#include "compress/compress.h"
#include "package/one_file.h"
#include "package/package.h"
#include "plan/precision_table.h"
#include "quern/error.h"
#include "report/headline.h"

namespace quern::cli {
namespace {

struct CompressArguments {
  ModelOptions model;
  StageOptions stages;
  bool force = false, resume = false, sequential = false, dry_run = false, requantize = false, larger = false;
};

std::vector<ExpectedPhase> phases_of(const TimeForecast& time) {
  return {{"read", time.read},
          {"calibrate", time.calibrate},
          {"survey", time.survey},
          {"encode", time.encode},
          {"measure", time.measure}};
}

void say_missed(const CompressArguments& o, const Report& report, const std::filesystem::path& where) {
  const CompressOptions& options = o.model.compress;
  tell(
      "quern: the quality bound was missed after {}, so {} was not written; the last attempt is in {}\n"
      "Allow more (--max-ppl-increase, --max-kld) or {}.\n",
      counted(report.ladder.size(), "trial"), printable_line(options.output.string()), printable_line(where.string()),
      options.size ? "a larger size" : "start from a scheme with more bits; --max-trials gives more attempts");
}

// The whole result of a dry run, or the beginning of a run for people.
void show_preview(const CompressArguments& o, const Opened& opened, const CompressTexts& texts,
                  TerminalObserver& observer) {
  const SharedOptions& shared = o.model.shared;
  if (!o.dry_run && (shared.json || shared.quiet)) return;
  const CompressPreview plan = preview(opened, texts);
  if (plan.time && !o.resume) observer.expect(phases_of(*plan.time));  // a resumed run has done some of it
  if (o.dry_run && shared.json) {
    fmt::print("{}\n", dump_json(to_json(plan), 1));
    return;
  }
  const int descriptor = o.dry_run ? STDOUT_FILENO : STDERR_FILENO;
  const std::string text =
      printable(with_input_name(preview_text(o.model.compress, plan, columns_of_terminal(descriptor))));
  if (!o.dry_run) return tell("{}", text);
  fmt::print("{}", text);
  if (!shared.quiet) show_notes(plan.notes, "the preview as JSON (--json)");
}

// The bound and the figure that decided are the last that is said.
void show_result(const CompressArguments& o, const Report& report, const std::filesystem::path& where) {
  const bool could_be_measured = !report.quality && report.can_run;
  const std::optional<std::size_t> columns = columns_of_terminal(STDOUT_FILENO);
  const std::string text =
      fmt::format("{}{}\n{}\n{} in {:.1f} s; the card with all figures is {}\n", printable(summary(report, columns)),
                  could_be_measured ? "Add --report-text FILE to measure it.\n" : "",
                  printable(precision_table(report.ladder.back().plan)), printable_line(where.string()), report.seconds,
                  printable_line((evidence_path(where) / kCardName).string()));
  fmt::print("{}", fitted(text, columns));
  std::fflush(stdout);
  if (!report.accepted) say_missed(o, report, where);
  for (const std::string& line : verdicts(report)) fmt::print("{}", fitted(line + "\n", columns));
}

int run(CompressArguments o) {
  const SharedOptions& shared = o.model.shared;
  const StandardInput input = o.model.standard_input();
  CompressOptions& options = o.model.resolved();
  options.existing = o.force ? ExistingOutput::kReplace : ExistingOutput::kRefuse;
  if (o.resume) options.start = CompressOptions::Start::kResume;
  if (o.requantize) options.requantize = CompressOptions::Requantize::kAllow;
  if (o.sequential) options.sequence = CompressOptions::Sequence::kMeasure;
  if (o.larger) options.larger = CompressOptions::Larger::kAllow;
  if (o.stages.are_given()) return run_stages(o.stages, options, shared);
  std::optional<TerminalObserver> observer(std::in_place, shared.verbosity(), "report.json");
  const Opened opened(options, *observer);
  const CompressTexts texts = read_texts(opened);
  show_preview(o, opened, texts, *observer);
  if (o.dry_run) return 0;
  const Report report = compress(opened, texts);
  for (const std::string& note : report.notes) observer->note(note);
  observer.reset();
  const auto where = report.accepted ? options.output : rejected_path(options.output);
  if (!shared.json) {
    show_result(o, report, where);
  } else {
    fmt::print("{}\n", dump_json(to_json(report), 1));
    if (!report.accepted) say_missed(o, report, where);
  }
  return report.accepted ? 0 : static_cast<int>(ErrorCode::kQuality);
}

void add_result_options(CLI::App& app, CompressArguments& o) {
  app.add_option("--report-text", o.model.compress.report_text,
                 "Measure the result on this text, which decides nothing")
      ->type_name("FILE");
  app.add_option("--max-ppl-increase", o.model.max_perplexity_increase,
                 "More bits where perplexity would rise by more, such as 3%")
      ->type_name("SHARE");
  app.add_option("--max-kld", o.model.max_kld, "The same for the mean KL divergence in nats, such as 0.02")
      ->type_name("X");
}

void add_run_options(CLI::App& app, CompressArguments& o) {
  app.add_flag("--dry-run", o.dry_run, "Only say what would be done, how large it becomes, how long it takes");
  app.add_flag("--force", o.force, "Replace the output if there is one");
  app.add_flag("--resume", o.resume, "Go on where an interrupted run of the same command stopped");
  app.add_flag("--allow-requantize", o.requantize, "Quantize a model that is quantized already, which adds to its loss")
      ->group(kMoreChoices);
  app.add_flag(
         "--sequential", o.sequential,
         "Also calibrate each matrix behind what is compressed in front of it, and keep what measures better; a few "
         "times slower")
      ->group(kMoreChoices);
  app.add_flag("--allow-larger", o.larger, "Write a result that is larger than its source")->group(kMoreChoices);
}

void add_plan_option(CLI::App& app, CompressArguments& o) {
  CLI::Option* plan = app.add_option("--plan", o.model.compress.plan,
                                     "Follow this plan, as quern plan -o writes it, in place of choosing anew");
  plan->type_name("FILE")->group(kMoreChoices);
  for (const char* decided :
       {"--scheme", "--format", "--precision-map", "--target-size", "--target-bpw", "--min-ratio"})
    plan->excludes(app.get_option(decided));
}

}  // namespace

Subcommand add_compress(CLI::App& program, const std::string& line) {
  CLI::App* app = program.add_subcommand("compress", "Make a model smaller and measure what was lost");
  const auto o = std::make_shared<CompressArguments>();
  CompressOptions& c = o->model.compress;
  c.command = line;
  add_model(*app, o->model);
  app->add_option("-o,--output", c.output, "Folder to write, or FILE.gguf for one file")
      ->type_name("FOLDER")
      ->required();
  add_result_options(*app, *o);
  add_target_size(*app, o->model);
  add_run_options(*app, *o);
  add_max_memory(*app, o->model.shared, kHalfOfMemory);
  add_texts(*app, o->model);
  app->add_option("--report-windows", c.report_windows,
                  "Windows of --report-text to measure on, at most; more are surer and slower (0: all)")
      ->type_name("N")
      ->capture_default_str()
      ->check(whole_number_from(0))
      ->group(kMoreTexts);
  add_other_sizes(*app, o->model);
  add_choices(*app, o->model);
  add_plan_option(*app, *o);
  add_stages(*app, o->stages);
  app->add_option("--name", c.name, "Name of the model in file names, card and metadata (default: MODEL's)")
      ->type_name("NAME")
      ->group(kMoreChoices);
  app->add_option("--max-trials", c.max_trials, "Try at most so many plans to meet the bound")
      ->type_name("N")
      ->capture_default_str()
      ->check(whole_number_from(1))
      ->group(kMoreChoices);
  app->footer("Example: quern compress models/llama-7m -o out --scheme q4_k_m --calib texts/calib.txt");
  return {app, [o] { return run(*o); }};
}

}  // namespace quern::cli
