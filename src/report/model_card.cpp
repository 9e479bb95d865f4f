// The report for people: a Markdown card.
#include <fmt/ranges.h>

#include <map>
#include <vector>

#include "base/shell_word.h"
#include "format/checked_programs.h"
#include "format/formats.h"
#include "quern/version.h"
#include "report/card_yaml.h"
#include "report/headline.h"
#include "report/markdown_text.h"

namespace quern {
namespace {

std::string text_line(const char* use, const std::optional<TextUse>& text) {
  if (!text) return fmt::format("- {}: none\n", use);
  return fmt::format("- {}: {} ({} windows of {} tokens, sha256 {})\n", use, markdown(text->path), text->windows,
                     text->window_length, text->sha256);
}

std::string formats_table(const Report& report) {
  const Plan& plan = report.ladder.back().plan;
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> by_codec;
  for (const PlanStep& step : plan.steps) {
    by_codec[step.codec].first += 1;
    by_codec[step.codec].second += step.bytes;
  }
  std::string text = "| number format | tensors | bytes |\n|---|---|---|\n";
  for (const auto& [codec, sums] : by_codec)
    text += fmt::format("| {} | {} | {} |\n", codec, sums.first, grouped(sums.second));
  if (report.copied_tensors)
    text += fmt::format("| copied as stored, no part of the model | {} | {} |\n", report.copied_tensors,
                        grouped(report.copied_bytes));
  return text;
}

std::string gate_section(const Report& r) {
  if (!r.bound.is_set()) return {};
  std::string text =
      fmt::format("\n## Quality bound\n\nAsked for: {}.\nDecided on the gate text{}: **{}**.\n\n", allowed(r.bound),
                  r.report_text_was_seen ? "" : ", which neither calibration nor the figures above saw",
                  r.accepted ? "met" : "NOT met");
  text += "| trial | tensor bytes | encoded | gate perplexity | increase | mean KLD |\n|---|---|---|---|---|---|\n";
  for (std::size_t i = 0; i < r.ladder.size(); ++i) {
    const Trial& t = r.ladder[i];
    if (!t.gate) continue;
    text += fmt::format("| {} | {} | {} | {:.3f} | {:+.2f}% | {:.5f} |\n", i + 1, grouped(t.plan.tensor_bytes()),
                        t.encoded_tensors, t.gate->perplexity.value, 100 * t.gate->perplexity_increase.value,
                        t.gate->mean_kld.value);
  }
  return text;
}

std::string companions_line(const Manifest& manifest) {
  std::vector<std::string> names;
  for (const HashedFile& file : manifest.output_files)
    if (file.role == HashedFile::Role::kCompanion) names.push_back(markdown(file.name));
  return names.empty() ? "" : fmt::format("\nFrom the source's folder, as they were: {}.\n", fmt::join(names, ", "));
}

const Loader& loader_of(const Plan& plan) { return find_format(plan.format).loader(stored_tensors(plan)); }

// As an argument that no program takes for an option.
std::string as_argument(const std::string& file) { return shell_word((file.starts_with('-') ? "./" : "") + file); }

std::string with_names(std::string command, const std::string& weights_file) {
  for (const auto& [word, name] :
       {std::pair<std::string, std::string>{"FILE", as_argument(weights_file)}, {"FOLDER", "THIS FOLDER"}})
    if (const std::size_t at = command.find(word); at != std::string::npos) command.replace(at, word.size(), name);
  return command;
}

std::string run_section(const Report& r, const std::string& weights_file, const CardFacts& facts) {
  const Loader& loader = loader_of(r.ladder.back().plan);
  std::string text = "\n## How to run it\n\n";
  if (!r.can_run) {
    text += "No program is known that runs the model as it is.";
    return text + (loader.unpacks ? fmt::format(" The {} package reads the packed matrices.\n", loader.unpacks) : "\n");
  }
  const std::string what_to_run =
      facts.result == CardFacts::Result::kOneFile ? as_argument(weights_file) : "\"THIS FOLDER\"";
  if (facts.tokenizer == CardFacts::Part::kThere)
    text += fmt::format("- `quern run {} --prompt \"...\"`\n", what_to_run);
  else
    text += "- There is no tokenizer: text cannot be run before one lies here.\n";
  if (facts.configuration == CardFacts::Part::kMissing)
    return text + "- Its config.json names no class of model, so that transformers cannot load it.\n";
  if (!loader.command) return text + fmt::format("- {}\n", loader.program);
  return text + fmt::format("- {}: {}, {}\n", markdown_code(with_names(loader.command, weights_file)), loader.program,
                            checked_with(loader.program));
}

std::string measured_line(const Report& r, const CardFacts& facts, const std::string& weights_file) {
  if (!r.quality) return {};
  const bool is_file = facts.result == CardFacts::Result::kOneFile;
  return fmt::format("Measured on {}, reopened and decoded; +- is one standard error by bootstrap over windows.\n",
                     is_file ? markdown(weights_file) : "the files of this folder");
}

const std::string& name_of_source(const Report& r, const CardFacts& facts) {
  return facts.hub_id.empty() ? r.source_name : facts.hub_id;
}

std::string source_lines(const Report& r, const CardFacts& facts) {
  std::string text = fmt::format("- source: {} ({} parameters, sha256 {})\n", markdown(name_of_source(r, facts)),
                                 grouped(r.parameters), r.source_sha256);
  if (!facts.adapter.empty())
    text +=
        fmt::format("- adapter: {}, a LoRA adapter{}, merged into the source before anything else\n",
                    markdown(facts.adapter), facts.adapter_base.empty() ? "" : " of " + markdown(facts.adapter_base));
  if (!r.quantized.empty()) text += fmt::format("- the source was quantized already: {}\n", markdown(r.quantized));
  return text;
}

}  // namespace

std::string model_card(const Report& r, const Manifest& manifest, const std::string& weights_file,
                       const CardFacts& facts) {
  const Plan& plan = r.ladder.back().plan;
  std::string text = card_yaml(facts, r);
  text += fmt::format("# {}: {}, {:.2f} bits per weight\n\n", markdown(r.model_name), markdown(r.contents),
                      r.bits_per_weight(r.output_bytes));
  if (!facts.adapter.empty())
    text += fmt::format("The weights are those of {} with the LoRA adapter {} merged.\n\n",
                        markdown(name_of_source(r, facts)), markdown(facts.adapter));
  if (!r.accepted)
    text += "**This package missed the quality bound that was asked for. It is kept for inspection only.**\n\n";
  text += fmt::format("| | {} | compressed | change |\n|---|---|---|---|\n", r.source_word());
  for (const HeadlineRow& row : headline(r))
    text += fmt::format("| {} | {} | {} | {} |\n", row.what, row.before, row.after, row.change);
  if (!r.quality) text += "\n" + unmeasured(r);
  text += "\n" + measured_line(r, facts, weights_file) + gate_section(r);
  text += fmt::format("\n## Contents\n\n{}", formats_table(r)) + companions_line(manifest);
  text += run_section(r, weights_file, facts);
  text += "\n## Provenance\n\n";
  text += fmt::format(
      "- made by quern {} ({} arithmetic, {}), by this command, in which a bare name is a file or folder wherever it "
      "lies: {}\n",
      kVersion, r.precision, r.instruction_set, markdown_code(r.command));
  text += source_lines(r, facts);
  text += text_line("calibration text", r.calibration) + text_line("gate text", r.gate_text) +
          text_line("report text", r.report_text);
  text += fmt::format("- plan {}, statistics {}\n", plan.sha256(),
                      plan.statistics_sha256.empty() ? "none" : markdown(plan.statistics_sha256));
  for (const std::string& note : r.notes) text += fmt::format("- note: {}\n", markdown(note));
  return text;
}

}  // namespace quern
