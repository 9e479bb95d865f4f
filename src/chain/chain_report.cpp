// The figures of a chain as data, as Markdown and as a page.
#include <fmt/core.h>

#include <cmath>

#include "chain/chain.h"
#include "quern/version.h"
#include "report/headline.h"
#include "report/html_report_style.h"
#include "report/html_text.h"
#include "report/markdown_text.h"

namespace quern {
namespace {

constexpr const char* kTitles[] = {"after stage", "ratio once claimed",          "literal: bytes",  "ratio",
                                   "KLD",         "one choice, same bytes: KLD", "residual: bytes", "ratio",
                                   "KLD",         "one choice, same bytes: KLD"};

using Cells = std::vector<std::string>;

double ratio(std::uint64_t source, std::uint64_t bytes) {
  return static_cast<double>(source) / static_cast<double>(bytes);
}

std::string nats(const std::optional<MeasuredFiles>& files) {
  return files ? three_digits(files->quality.mean_kld.value) : "not possible";
}

double claimed_together(const ChainReport& report) {
  double product = 1;
  for (const ChainRow& row : report.rows) product *= row.stage.claimed;
  return product;
}

// Plain text, a row for each stage.
std::vector<Cells> cells_of(const ChainReport& report) {
  std::vector<Cells> table;
  double claimed = 1;
  for (const ChainRow& row : report.rows) {
    claimed *= row.stage.claimed;
    table.push_back({row.stage.method, fmt::format("{:.0f}x, together {:.0f}x", row.stage.claimed, claimed)});
    for (const auto& [files, once] : {std::pair(row.literal, row.once_literal), {row.residual, row.once_residual}}) {
      table.back().push_back(grouped(files.bytes));
      table.back().push_back(fmt::format("{:.2f}x", ratio(report.source_bytes, files.bytes)));
      table.back().push_back(nats(files));
      table.back().push_back(nats(once));
    }
  }
  return table;
}

Json to_json(const MeasuredFiles& files, std::uint64_t source_bytes) {
  return Json::object(
      {{"bytes", files.bytes}, {"ratio", ratio(source_bytes, files.bytes)}, {"quality", to_json(files.quality)}});
}

Json to_json(const std::optional<MeasuredFiles>& files, std::uint64_t source_bytes) {
  return files ? to_json(*files, source_bytes) : Json();
}

std::string header(const ChainReport& r) {
  return fmt::format("{}: {} stages, measured after each", r.model_name, r.rows.size());
}

std::string made(const ChainReport& r) {
  return fmt::format(
      "{} weights, {} bytes of files as they came. Bytes are those of files on the disk, everything a runtime needs. "
      "KLD "
      "is the mean KL divergence to the model in nats, on {}. Made by quern {} in {:.0f} s.",
      grouped(r.parameters), grouped(r.source_bytes), r.text, kVersion, r.seconds);
}

}  // namespace

std::string conclusion(const ChainReport& report) {
  const ChainRow& last = report.rows.back();
  std::string text = fmt::format(
      "The ratios once claimed multiply to {:.0f}x; the file that the literal chain leaves is {:.2f}x smaller than the "
      "model and diverges by {} nats",
      claimed_together(report), ratio(report.source_bytes, last.literal.bytes), nats(last.literal));
  if (last.once_literal)
    text += fmt::format(", where one choice of formats of the same bytes diverges by {}: {}", nats(last.once_literal),
                        last.literal.quality.mean_kld.value > last.once_literal->quality.mean_kld.value
                            ? "stages that each compress what the last one decoded to only add their errors"
                            : "here the chain was the better use of the bytes");
  return text + ".";
}

Json to_json(const ChainReport& report) {
  Json rows = Json::array();
  for (const ChainRow& row : report.rows)
    rows.push_back(Json::object({{"stage", row.stage.name},
                                 {"method", row.stage.method},
                                 {"scheme", row.stage.scheme},
                                 {"claimed_ratio", row.stage.claimed},
                                 {"literal", to_json(row.literal, report.source_bytes)},
                                 {"once_literal", to_json(row.once_literal, report.source_bytes)},
                                 {"residual", to_json(row.residual, report.source_bytes)},
                                 {"once_residual", to_json(row.once_residual, report.source_bytes)}}));
  Json notes = Json::array();
  for (const std::string& note : report.notes) notes.push_back(note);
  return Json::object({{"quern", kVersion},
                       {"model", report.model_name},
                       {"command", report.command},
                       {"source_bytes", report.source_bytes},
                       {"parameters", report.parameters},
                       {"text", report.text},
                       {"stages", std::move(rows)},
                       {"claimed_together", claimed_together(report)},
                       {"conclusion", conclusion(report)},
                       {"notes", std::move(notes)},
                       {"seconds", report.seconds}});
}

std::string chain_markdown(const ChainReport& report) {
  std::string text = fmt::format("# {}\n\n{}\n\n|", markdown(header(report)), markdown(conclusion(report)));
  for (const char* title : kTitles) text += fmt::format(" {} |", title);
  text += "\n|---|";
  for (std::size_t i = 1; i < std::size(kTitles); ++i) text += "---:|";
  text += "\n";
  for (const Cells& cells : cells_of(report)) {
    text += "|";
    for (const std::string& cell : cells) text += fmt::format(" {} |", markdown(cell));
    text += "\n";
  }
  text += "\n" + markdown(made(report)) + "\n";
  for (const std::string& note : report.notes) text += "\n- " + markdown(note);
  return text +
         "\n\nThe folders beside this file are the packages: literal-N, residual-N (to be added up), once-BYTES.\n";
}

std::string chain_page(const ChainReport& report) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<link rel=\"icon\" href=\"data:,\">\n<title>{0}</title>\n"
      "<style>{1}</style>\n</head>\n<body>\n<header>\n<div class=\"top\"><p class=\"eyebrow\">Chain of compressions</p>"
      "<button id=\"scheme\" type=\"button\" hidden></button></div>\n<h1><bdi>{0}</bdi></h1>\n<p "
      "class=\"lead\">{2}</p>\n"
      "</header>\n<main>\n<section><div class=\"scroll\" tabindex=\"0\"><table class=\"figures chain\"><thead><tr>",
      escaped(header(report)), kReportStyle, escaped(conclusion(report)));
  for (const char* title : kTitles) html += fmt::format("<th scope=\"col\">{}</th>", title);
  html += "</tr></thead>\n<tbody>";
  for (const Cells& cells : cells_of(report)) {
    html += fmt::format("<tr><th scope=\"row\">{}</th>", escaped(cells.front()));
    for (std::size_t i = 1; i < cells.size(); ++i)
      html += fmt::format("<td data-title=\"{}\">{}</td>", kTitles[i], escaped(cells[i]));
    html += "</tr>\n";
  }
  html += fmt::format("</tbody></table></div>\n<p class=\"small\">{}</p>\n", escaped(made(report)));
  for (const std::string& note : report.notes) html += fmt::format("<p class=\"small\">{}</p>\n", escaped(note));
  return html + fmt::format(
                    "</section>\n</main>\n<footer>The same figures as data: chain.json.</footer>\n<div id=\"tip\" "
                    "role=\"tooltip\" hidden></div>\n<script>{}</script>\n</body>\n</html>\n",
                    kReportScript);
}

}  // namespace quern
