// quern compress MODEL -o OUT
#include <fmt/core.h>

#include <memory>

#include "base/counted.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/preview_text.h"
#include "cli/standard_streams.h"
#include "compress/compress.h"
#include "package/one_file.h"
#include "package/package.h"
#include "plan/precision_table.h"
#include "quern/error.h"

namespace quern::cli {
namespace {

struct Options {
  ModelOptions model;
  bool force = false, resume = false, dry_run = false, requantize = false, larger = false;
};

// The whole result of a dry run, or the beginning of a run for people.
void show_preview(const Options& o, const Opened& opened, const CompressTexts& texts, TerminalObserver& observer) {
  const SharedOptions& shared = o.model.shared;
  if (!o.dry_run && (shared.json || shared.quiet)) return;
  const CompressPreview plan = preview(opened, texts);
  if (plan.time && !o.resume) observer.expect(plan.time->total());  // a resumed run has done some of it
  if (o.dry_run && shared.json) {
    fmt::print("{}\n", dump_json(to_json(plan), 1));
    return;
  }
  const std::string text = printable(preview_text(o.model.compress, plan));
  if (!o.dry_run) return tell("{}", text);
  fmt::print("{}", text);
  for (const std::string& note : plan.notes) tell("note: {}\n", printable_line(note));
}

int run(Options o) {
  const SharedOptions& shared = o.model.shared;
  CompressOptions& options = o.model.resolved();
  options.existing = o.force ? ExistingOutput::kReplace : ExistingOutput::kRefuse;
  if (o.resume) options.start = CompressOptions::Start::kResume;
  if (o.requantize) options.requantize = CompressOptions::Requantize::kAllow;
  if (o.larger) options.larger = CompressOptions::Larger::kAllow;
  std::optional<TerminalObserver> observer(shared.verbosity());
  const Opened opened(options, *observer);
  const CompressTexts texts = read_texts(opened);
  show_preview(o, opened, texts, *observer);
  if (o.dry_run) return 0;
  const Report report = compress(opened, texts);
  observer.reset();
  const auto where = report.accepted ? options.output : rejected_path(options.output);
  fmt::print("{}", shared.json ? dump_json(to_json(report), 1) + "\n" : printable(summary(report)));
  if (!shared.json)
    fmt::print("\n{}\n{} in {:.1f} s; the card with all figures is {}\n",
               printable(precision_table(report.ladder.back().plan)), printable_line(where.string()), report.seconds,
               printable_line((evidence_path(where) / kCardName).string()));
  if (report.accepted) return 0;
  tell(
      "quern: the quality bound was missed after {}, so {} was not written; the last attempt is in {}\n"
      "Allow more (--max-ppl-increase, --max-kld) or {}.\n",
      counted(report.ladder.size(), "trial"), printable_line(options.output.string()), printable_line(where.string()),
      options.size ? "a larger size" : "start from a scheme with more bits; --max-trials gives more attempts");
  return static_cast<int>(ErrorCode::kQuality);
}

void add_result_options(CLI::App& app, Options& o) {
  app.add_option("--report-text", o.model.compress.report_text, "Text that is only reported on")->type_name("FILE");
  app.add_option("--max-ppl-increase", o.model.max_perplexity_increase, "Perplexity may rise by this much, such as 3%")
      ->type_name("SHARE");
  app.add_option("--max-kld", o.model.max_kld, "Mean KL divergence to the original at most, in nats, such as 0.02")
      ->type_name("X");
}

void add_run_options(CLI::App& app, Options& o) {
  app.add_flag("--dry-run", o.dry_run, "Say what would be done and how large it becomes; write nothing");
  app.add_flag("--force", o.force, "Replace the output if it exists");
  app.add_flag("--resume", o.resume, "Go on from what an interrupted run of the same command left in FOLDER.partial");
  app.add_flag("--allow-requantize", o.requantize, "Quantize a model that is quantized already, which adds to its loss")
      ->group(kMoreChoices);
  app.add_flag("--allow-larger", o.larger, "Write a result that is larger than its source")->group(kMoreChoices);
}

void add_plan_option(CLI::App& app, Options& o) {
  CLI::Option* plan = app.add_option("--plan", o.model.compress.plan, "A plan to follow, as quern plan -o writes it");
  plan->type_name("FILE")->group(kMoreChoices);
  for (const char* decided :
       {"--scheme", "--format", "--precision-map", "--target-size", "--target-bpw", "--min-ratio"})
    plan->excludes(app.get_option(decided));
}

}  // namespace

Subcommand add_compress(CLI::App& program, const std::string& line) {
  CLI::App* app = program.add_subcommand("compress", "Make a model smaller and measure what was lost");
  const auto o = std::make_shared<Options>();
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
  app->add_option("--report-windows", c.report_windows, "Windows for the report, at most (0: all)")
      ->type_name("N")
      ->capture_default_str()
      ->check(whole_number_from(0))
      ->group(kMoreTexts);
  add_other_sizes(*app, o->model);
  add_choices(*app, o->model);
  add_plan_option(*app, *o);
  app->add_option("--name", c.name, "Name of the model in file names, card and metadata (default: MODEL's)")
      ->type_name("NAME")
      ->group(kMoreChoices);
  app->add_option("--max-trials", c.max_trials, "Plans to try before giving up on the bound")
      ->type_name("N")
      ->capture_default_str()
      ->check(whole_number_from(1))
      ->group(kMoreChoices);
  app->footer("Example: quern compress models/llama-7m -o out --scheme q4_k_m --calib texts/calib.txt");
  return {app, [o] { return run(*o); }};
}

}  // namespace quern::cli
