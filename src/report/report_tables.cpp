// Plain tables of the report's figures.
#include "report/report_tables.h"

#include <fmt/core.h>

#include "plan/precision_table.h"
#include "report/headline.h"
#include "report/html_text.h"

namespace quern {
namespace {

constexpr std::size_t kListedTensors = 3000;  // report.json has them all

using Cells = std::vector<std::string>;  // HTML

// The first cell of a row is its head. A cell knows its column's title, for screens too narrow for columns.
std::string table(const char* css_class, const std::vector<const char*>& titles, const std::vector<Cells>& rows) {
  std::string html = fmt::format("<div class=\"scroll\" tabindex=\"0\"><table class=\"{}\"><thead><tr>", css_class);
  for (const char* title : titles) html += fmt::format("<th scope=\"col\">{}</th>", title);
  html += "</tr></thead>\n<tbody>";
  for (const Cells& cells : rows) {
    html += "<tr><th scope=\"row\">" + cells.front() + "</th>";
    for (std::size_t i = 1; i < cells.size(); ++i)
      html += fmt::format("<td data-title=\"{}\">{}</td>", titles[i], cells[i]);
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string nats(const std::optional<double>& value) { return value ? three_digits(*value) : ""; }

bool meets(const QualityBound& bound, const Quality& gate) {
  return excess(bound, gate.perplexity_increase.value, gate.mean_kld.value) == 0;
}

}  // namespace

std::string headline_table(const Report& report) {
  std::vector<Cells> rows;
  for (const HeadlineRow& line : headline(report))
    rows.push_back({escaped(line.what), typeset(escaped(line.before)), typeset(escaped(line.after)),
                    typeset(escaped(line.change))});
  rows.push_back({"Seconds to compress and measure", "", fmt::format("{:.1f}", report.seconds), ""});
  std::string html = table("figures", {"", report.source_word(), "compressed", "change"}, rows);
  if (!report.quality) return html + fmt::format("<p>{}</p>\n", escaped_lines(unmeasured(report)));
  return html + fmt::format(
                    "<p class=\"small\">Measured on {} windows ({} tokens) of text that {}, from the written files. "
                    "&plusmn; is one standard error by bootstrap over windows.</p>\n",
                    grouped(report.quality->windows), grouped(report.quality->tokens),
                    report.report_text_was_seen ? "calibration or a choice saw too, which flatters the result"
                                                : "no choice saw");
}

std::string formats_table(const Report& report) {
  std::vector<Cells> rows;
  for (const WidthShare& share : width_shares(report.ladder.back().plan))
    rows.push_back({escaped(share.codec), hundredths(share.bits()), grouped(share.tensors), grouped(share.bytes),
                    fmt::format("<span class=\"bar\" style=\"--w:{}%\"></span>{:.1f}%", hundredths(100 * share.share),
                                100 * share.share)});
  if (rows.empty()) return {};
  return table("figures shares", {"number format", "bits", "tensors", "bytes", "of all weights"}, rows);
}

std::string ladder_table(const Report& report) {
  std::vector<Cells> rows;
  for (std::size_t i = 0; i < report.ladder.size(); ++i) {
    const Trial& trial = report.ladder[i];
    if (!trial.gate) continue;
    rows.push_back({fmt::format("{}", i + 1), grouped(trial.plan.tensor_bytes()), grouped(trial.encoded_tensors),
                    fmt::format("{:.3f}", trial.gate->perplexity.value),
                    typeset(fmt::format("{:+.2f}%", 100 * trial.gate->perplexity_increase.value)),
                    fmt::format("{:.5f}", trial.gate->mean_kld.value),
                    meets(report.bound, *trial.gate) ? "met" : "missed"});
  }
  if (rows.empty()) return {};
  return table("figures ladder", {"trial", "tensor bytes", "encoded", "perplexity", "increase", "mean KLD", "bound"},
               rows);
}

std::string tensor_table(const Report& report) {
  if (report.tensors.empty()) return {};
  const std::span<const ReportedTensor> all = report.tensors;
  std::vector<Cells> rows;
  for (const auto& [step, error, facts] : all.first(std::min(all.size(), kListedTensors))) {
    const double bits =
        step.parameters ? 8.0 * static_cast<double>(step.bytes) / static_cast<double>(step.parameters) : 0;
    rows.push_back(
        {escaped(step.tensor), escaped(facts.role), escaped(step.codec), bits > 0 ? hundredths(bits) : "",
         grouped(step.bytes), three_digits(error.relative_plain()),
         facts.kld ? fmt::format("{} <small>{}</small>", nats(facts.kld), escaped(facts.measured_codec)) : "",
         nats(facts.predicted_kld)});
  }
  if (all.size() > kListedTensors)
    rows.push_back(
        {fmt::format("and {} more, in report.json", all.size() - kListedTensors), "", "", "", "", "", "", ""});
  return fmt::format(
      "<details><summary>{} tensors, in the order of the file</summary>\n{}</details>\n", grouped(all.size()),
      table("figures list",
            {"tensor", "role", "format", "bits", "bytes", "relative error", "alone, nats", "predicted, nats"}, rows));
}

}  // namespace quern
