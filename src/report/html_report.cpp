// A headline, then sections in the order of what a reader asks.
#include "report/html_report.h"

#include <fmt/core.h>

#include "quern/version.h"
#include "report/headline.h"
#include "report/html_report_style.h"
#include "report/html_text.h"
#include "report/report_figures.h"
#include "report/report_tables.h"

namespace quern {
namespace {

struct Section {
  const char* id;
  const char* title;
  const char* intro;
  std::string (*body)(const Report&, const TensorGrid&);  // empty: the section is left out
};

std::string notes(const Report& report, const TensorGrid&) {
  if (report.notes.empty()) return {};
  std::string html = "<ul class=\"notes\">";
  for (const std::string& note : report.notes) html += fmt::format("<li>{}</li>\n", escaped(note));
  return html + "</ul>\n";
}

std::string text_use(const std::optional<TextUse>& text) {
  if (!text) return "none";
  return fmt::format("{} &middot; {} windows of {} tokens &middot; sha256 {}", escaped(text->path), text->windows,
                     text->window_length, escaped(text->sha256));
}

std::string provenance(const Report& r, const TensorGrid&) {
  const Plan& plan = r.ladder.back().plan;
  std::string html = "<dl class=\"made\">";
  const auto add = [&](const char* what, const std::string& value) {
    html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", what, value);
  };
  add("program", fmt::format("quern {}", kVersion));
  add("command", escaped(r.command));
  add("arithmetic", fmt::format("{}, {}", escaped(r.precision), escaped(r.instruction_set)));
  add("source", "sha256 " + escaped(r.source_sha256));
  add("calibration text", text_use(r.calibration));
  add("gate text", text_use(r.gate_text));
  add("report text", text_use(r.report_text));
  add("plan", "sha256 " + plan.sha256());
  add("statistics", plan.statistics_sha256.empty() ? "none" : "sha256 " + escaped(plan.statistics_sha256));
  return html + "</dl>\n";
}

constexpr Section kSections[] = {
    {"figures", "Before and after", "", [](const Report& r, const TensorGrid&) { return headline_table(r); }},
    {"depth", "Bits along the depth", "One mark is one matrix, from the embedding to the head.",
     [](const Report& r, const TensorGrid& grid) {
       const std::string chart = depth_figure(grid);
       return chart.empty() ? chart : chart + formats_table(r);
     }},
    {"error", "Error against size", "", error_figure},
    {"precision", "Precision map", "", [](const Report&, const TensorGrid& grid) { return precision_map_of(grid); }},
    {"ladder", "Fallback ladder", "Plans that were tried, measured on the gate text, which decides.",
     [](const Report& r, const TensorGrid&) { return ladder_figure(r) + ladder_table(r); }},
    {"sensitivity", "What each matrix loses", "",
     [](const Report&, const TensorGrid& grid) { return sensitivity_map(grid); }},
    {"tensors", "Tensors", "", [](const Report& r, const TensorGrid&) { return tensor_table(r); }},
    {"notes", "Notes", "", notes},
    {"made", "How this was made", "", provenance},
};

struct Tile {
  std::string what, value, below;
};

// 2.93x smaller
std::string times_smaller(std::uint64_t from, std::uint64_t to) {
  const double a = static_cast<double>(from), b = static_cast<double>(to);
  return fmt::format("{}&times; {}", hundredths(a >= b ? a / b : b / a), a >= b ? "smaller" : "larger");
}

std::vector<Tile> tiles(const Report& r) {
  std::vector<Tile> tiles{{"Size", megabytes(r.output_bytes),
                           fmt::format("was {}, in FP32 {}", megabytes(r.source_bytes), megabytes(r.fp32_bytes()))},
                          {"Bits per weight", hundredths(r.bits_per_weight(r.output_bytes)),
                           fmt::format("was {}; everything counted", hundredths(r.bits_per_weight(r.source_bytes)))}};
  if (!r.quality) return tiles;
  const Quality& q = *r.quality;
  tiles.push_back(
      {"Perplexity", hundredths(q.perplexity.value),
       typeset(fmt::format("was {:.2f}; {:+.2f}% +- {:.2f}", q.original_perplexity.value,
                           100 * q.perplexity_increase.value, 100 * q.perplexity_increase.standard_error))});
  tiles.push_back({"Mean KL divergence", three_digits(q.mean_kld.value),
                   fmt::format("nats; 99th percentile {}", three_digits(q.kld_99.value))});
  tiles.push_back(
      {"Same top token", fmt::format("{:.1f}%", 100 * q.same_top.value),
       typeset(fmt::format("+- {:.2f}% of {} tokens", 100 * q.same_top.standard_error, grouped(q.tokens)))});
  return tiles;
}

std::string verdict(const Report& r) {
  if (!r.bound.is_set()) return {};
  return fmt::format("<p class=\"verdict {}\"><b>The quality bound was {}:</b> {}, on the gate text.{}</p>\n",
                     r.accepted ? "met" : "missed", r.accepted ? "met" : "NOT met", allowed(r.bound),
                     r.accepted ? "" : " This package is kept for inspection only.");
}

std::string lead(const Report& r) {
  std::string text = fmt::format("<b>{}</b>", times_smaller(r.source_bytes, r.output_bytes));
  if (r.quality)
    text += typeset(
        fmt::format(", with <b>{:+.2f}% +- {:.2f} perplexity</b> and a mean KL divergence of <b>{} nats</b> "
                    "to the {}",
                    100 * r.quality->perplexity_increase.value, 100 * r.quality->perplexity_increase.standard_error,
                    three_digits(r.quality->mean_kld.value), r.source_word()));
  return fmt::format("<p class=\"lead\">{}.</p>\n", text);
}

std::string header(const Report& r) {
  std::string html = fmt::format(
      "<header>\n<div class=\"top\"><p class=\"eyebrow\">Compression report &middot; {} &middot; {} weights</p>"
      "<button id=\"scheme\" type=\"button\" hidden></button></div>\n<h1><bdi>{}</bdi> in {}, {}</h1>\n{}{}"
      "<dl class=\"tiles\">\n",
      escaped(r.architecture.empty() ? "no known architecture" : r.architecture), grouped(r.parameters),
      escaped(r.model_name), megabytes(r.output_bytes), escaped(r.contents), lead(r), verdict(r));
  for (const Tile& tile : tiles(r))
    html += fmt::format("<div><dt>{}</dt><dd>{}</dd><dd>{}</dd></div>\n", tile.what, tile.value, tile.below);
  return html + "</dl>\n</header>\n";
}

// Nothing is fetched, whatever a text that was overlooked may say.
constexpr const char* kPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

}  // namespace

std::string html_report(const Report& report) {
  const TensorGrid grid = tensor_grid(report);
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
      "http-equiv=\"Content-Security-Policy\" "
      "content=\"{}\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<link rel=\"icon\" "
      "href=\"data:,\">\n"
      "<title>{}: compression report</title>\n<style>{}</style>\n</head>\n<body>\n{}<main>\n",
      kPolicy, escaped(report.model_name), kReportStyle, header(report));
  for (const Section& section : kSections) {
    const std::string body = section.body(report, grid);
    if (body.empty()) continue;
    html += fmt::format("<section id=\"{0}\" aria-labelledby=\"{0}-title\"><h2 id=\"{0}-title\">{1}</h2>\n", section.id,
                        section.title);
    if (*section.intro) html += fmt::format("<p class=\"intro\">{}</p>\n", section.intro);
    html += body + "</section>\n";
  }
  return html + fmt::format(
                    "</main>\n<footer>The same figures as data: report.json. Hashes of all files: "
                    "manifest.json.</footer>\n<div id=\"tip\" role=\"tooltip\" hidden></div>\n<script>{}</script>\n"
                    "</body>\n</html>\n",
                    kReportScript);
}

}  // namespace quern
