// A table that fits 80 columns: a line for each stage of either chain.
#include "cli/stages_run.h"

#include <fmt/core.h>

#include <optional>

#include "base/printable.h"
#include "chain/chain.h"
#include "report/headline.h"

namespace quern::cli {
namespace {

std::string kld(const std::optional<MeasuredFiles>& files) {
  return files ? fmt::format("{:.4g}", files->quality.mean_kld.value) : "-";
}

void show_line(const ChainReport& report, const char* chain, const ChainRow& row, const MeasuredFiles& files,
               const std::optional<MeasuredFiles>& once) {
  fmt::print("{:<9} {:<7} {:>8.0f}x {:>14} {:>7.2f}x {:>10} {:>13}\n", chain, row.stage.name, row.stage.claimed,
             grouped(files.bytes), static_cast<double>(report.source_bytes) / static_cast<double>(files.bytes),
             kld(files), kld(once));
}

void show(const ChainReport& report, const std::string& output) {
  fmt::print("{:<9} {:<7} {:>9} {:>14} {:>8} {:>10} {:>13}\n", "chain", "stage", "claimed", "bytes", "ratio", "KLD",
             "KLD of one");
  for (const ChainRow& row : report.rows) show_line(report, "literal", row, row.literal, row.once_literal);
  for (const ChainRow& row : report.rows) show_line(report, "residual", row, row.residual, row.once_residual);
  fmt::print(
      "KLD in nats to the model; of one: one choice of formats, given the same bytes\n{} in {:.1f} s; the page is "
      "{}\n\n{}\n",
      printable_line(output), report.seconds, printable_line(output + "/chain.html"), printable(conclusion(report)));
}

}  // namespace

void add_stages(CLI::App& app, StageOptions& o) {
  CLI::Option* recipe =
      app.add_option("--recipe", o.recipe, "Several methods one after another, measured after each: seed-4stage");
  CLI::Option* stages = app.add_option("--stages", o.stages, "The same of stages by name: bitnet, seedlm, vptq, hyper");
  recipe->type_name("NAME")->group(kMoreChoices);
  stages->type_name("LIST")->group(kMoreChoices)->excludes(recipe);
  for (const char* decided : {"--scheme", "--format", "--precision-map", "--target-size", "--target-bpw", "--min-ratio",
                              "--plan", "--mode", "--max-ppl-increase", "--max-kld", "--dry-run", "--sequential"})
    for (CLI::Option* option : {recipe, stages}) option->excludes(app.get_option(decided));
}

int run_stages(const StageOptions& stages, const CompressOptions& options, const SharedOptions& shared) {
  const std::vector<ChainStage> all = stages.recipe.empty() ? stages_named(stages.stages) : recipe_named(stages.recipe);
  std::optional<TerminalObserver> observer(std::in_place, shared.verbosity(), "chain.json");
  const ChainReport report = run_chain(options, all, *observer);
  for (const std::string& note : report.notes) observer->note(note);
  observer.reset();
  if (shared.json)
    fmt::print("{}\n", dump_json(to_json(report), 1));
  else
    show(report, options.output.string());
  return 0;
}

}  // namespace quern::cli
