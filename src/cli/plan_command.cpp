// quern plan MODEL
#include <fmt/core.h>
#include <unistd.h>

#include <memory>

#include "base/printable.h"
#include "cli/commands.h"
#include "cli/forecast_text.h"
#include "cli/model_options.h"
#include "cli/terminal.h"
#include "cli/titled_text.h"
#include "forecast/forecast.h"

namespace quern::cli {
namespace {

struct PlanArguments {
  ModelOptions model;
  std::filesystem::path output, statistics_copy, statistics_folder;
  bool tensors = false;
};

void show(const PlanArguments& o, const Forecast& f) {
  if (o.model.shared.json) {
    fmt::print("{}\n", dump_json(to_json(f), 1));
    return;
  }
  const std::optional<std::size_t> columns = columns_of_terminal(STDOUT_FILENO);
  fmt::print("{}", fitted(printable(with_input_name(forecast_text(o.model.compress, f, columns))), columns));
  if (o.tensors) fmt::print("\n{}", printable(tensor_lines(f)));
}

// Of what a plan is made from: compress would go on from there.
void expect_phases(const PlanArguments& o, const Opened& opened, const CompressTexts& texts,
                   TerminalObserver& observer) {
  if (o.model.shared.verbosity() == Verbosity::kQuiet) return;
  const Plan plan = opened.plan({}, opened.optimizer);
  if (const auto time = expected_time(opened, texts, plan, likely_walks(opened)))
    observer.expect({{"read", time->read}, {"calibrate", time->calibrate}, {"survey", time->survey}});
}

int run(PlanArguments o) {
  const StandardInput input = o.model.standard_input();
  const CompressOptions& options = o.model.resolved();
  std::optional<NewFile> plan_file, statistics_file;
  if (!o.output.empty()) plan_file.emplace(o.output);
  if (!o.statistics_copy.empty()) statistics_file.emplace(o.statistics_copy);
  if (!o.statistics_folder.empty()) OutputFolder::check_target(o.statistics_folder, OutputFolder::Existing::kRefuse);
  const Forecast f = [&] {
    TerminalObserver observer(o.model.shared.verbosity());
    const Opened opened(options, observer);
    const KeptStatistics kept{statistics_file ? &*statistics_file : nullptr, o.statistics_folder};
    check_kept(opened, kept);
    const CompressTexts texts = read_texts(opened, GateText::kWhereGiven);
    expect_phases(o, opened, texts, observer);
    return forecast(opened, texts, kept);
  }();
  if (plan_file) plan_file->publish(dump_json(to_json(f), 1) + "\n");
  show(o, f);
  if (!o.model.shared.json && !o.model.shared.quiet)
    show_notes(f.notes, o.output.empty() ? "the plan (--json)" : o.output.string());
  return 0;
}

}  // namespace

Subcommand add_plan(CLI::App& program) {
  CLI::App* app = program.add_subcommand("plan", "Say what compress would make, how large, how good and how fast");
  const auto o = std::make_shared<PlanArguments>();
  add_model(*app, o->model);
  add_target_size(*app, o->model);
  app->add_option("-o,--output", o->output, "Write the plan to this file, for compress --plan to follow")
      ->type_name("FILE");
  app->add_option("--save-imatrix", o->statistics_copy,
                  "Keep the importance matrix in this file, for compress --plan --imatrix")
      ->type_name("FILE");
  app->add_option("--save-statistics", o->statistics_folder,
                  "Keep all statistics in this new folder, for compress --plan --imatrix (error feedback needs them)")
      ->type_name("FOLDER");
  app->add_flag("--tensors", o->tensors, "List every tensor with its number format and the reason for it");
  add_max_memory(*app, o->model.shared, kHalfOfMemory);
  add_texts(*app, o->model);
  add_other_sizes(*app, o->model);
  add_choices(*app, o->model);
  app->footer("Example: quern plan models/llama-7m --scheme q4_k_m --calib texts/calib.txt --target-size 4MB");
  return {app, [o] { return run(*o); }};
}

}  // namespace quern::cli
