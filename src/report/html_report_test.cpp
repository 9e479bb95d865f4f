// The page holds the report's figures, leaves out what was not measured, and lets no text from files become markup.
#include "report/html_report.h"

#include <limits>

#include "base/fail.h"
#include "base/printable.h"
#include "compress/tiny_package_fixture.h"
#include "report/headline.h"
#include "report/html_text.h"
#include "report/svg_chart.h"

namespace quern {
namespace {

constexpr const char* kHostile = "</script><img src=x onerror=\"alert('x')\">\u202e\x1b[31m\u009b\xff\n";

bool has(const std::string& html, std::string_view part) { return html.find(part) != std::string::npos; }
bool has_section(const std::string& html, const char* id) { return has(html, fmt::format("<section id=\"{}\"", id)); }

Quality some_quality() {
  return {4, 1020, {20, 0.5}, {21.5, 0.6}, {0.075, 0.01}, {0.0123, 0.001}, {0.008, 0.001}, {0.21, 0.02}, {0.91, 0.01}};
}

// Blocks of a query and a down projection, an embedding before them, a norm that is kept.
Report model_of(std::size_t blocks) {
  Report r;
  r.model_name = "m";
  r.architecture = "llama";
  r.source_bytes = 3'000'000;
  r.output_bytes = 1'234'567;
  r.ladder.push_back({.plan = {.scheme = "q4_k_m", .format = "gguf"}});
  const auto add = [&](std::string name, std::string role, std::int32_t layer, TensorFacts::Kind kind) {
    PlanStep step{.tensor = std::move(name), .codec = "q4_k", .bytes = 4608, .parameters = 8192};
    r.ladder[0].plan.steps.push_back(step);
    r.tensors.push_back({std::move(step), {1, 100, 2, 200}, {.role = std::move(role), .layer = layer, .kind = kind}});
    r.parameters += 8192;
  };
  add("embed", "embed", -1, TensorFacts::Kind::kMatrix);
  for (std::size_t b = 0; b < blocks; ++b) {
    add(fmt::format("{}.q", b), "attn.q", static_cast<std::int32_t>(b), TensorFacts::Kind::kMatrix);
    add(fmt::format("{}.down", b), "mlp.down", static_cast<std::int32_t>(b), TensorFacts::Kind::kMatrix);
    add(fmt::format("{}.norm", b), "norm", static_cast<std::int32_t>(b), TensorFacts::Kind::kKept);
  }
  return r;
}

TEST(Escaped, LeavesNothingThatMarkupBeginsWith) {
  EXPECT_EQ(escaped("a<b>&\"'\x01\n\u202e"), "a&lt;b&gt;&amp;&quot;&#39;\\x01\\x0a\\u202e");
  EXPECT_EQ(escaped_lines("a\n<\x1b"), "a\n&lt;\\x1b");
}

TEST(HtmlReport, HoldsTheFiguresAndLeavesOutWhatWasNotMeasured) {
  Report r = model_of(3);
  const std::string bare = html_report(r);
  expect_parts(bare, {"1,234,567", "3,000,000", "q4_k", "4.50", "Quality was not measured"});
  for (const char* id : {"figures", "depth", "error", "precision", "tensors", "made"})
    EXPECT_TRUE(has_section(bare, id));
  for (const char* id : {"ladder", "sensitivity", "notes"}) EXPECT_FALSE(has_section(bare, id)) << id;

  r.quality = some_quality();
  r.notes = {"a remark"};
  r.tensors[1].facts.kld = 0.0456;
  r.tensors[1].facts.measured_codec = "q3_k";
  r.bound.max_kld = 0.01;
  r.accepted = false;
  r.ladder.insert(r.ladder.begin(), r.ladder.front());
  for (Trial& trial : r.ladder) trial.gate = some_quality();
  r.size = SizeChoice{2'000'000, {1'234'567, 0.0119}, {{1'000'000, 0.5}, {1'300'000, 0.01}, {3'000'000, 0}}};
  const std::string full = html_report(r);
  expect_parts(full, {"21.500 &plusmn; 0.600", "0.01230", "a remark", "NOT met", "45.6", "predicted 0.0119 nats"});
  for (const char* id : {"ladder", "sensitivity", "notes"}) EXPECT_TRUE(has_section(full, id)) << id;
}

TEST(Verdicts, ShowAFigureAboveItsBoundToBeAboveIt) {
  Report r = model_of(2);
  r.bound.max_perplexity_increase = 0.03;
  r.bound.max_kld = 0.02;
  r.ladder.back().gate = some_quality();
  const auto said = [&](double increase, double kld) {
    r.ladder.back().gate->perplexity_increase.value = increase;
    r.ladder.back().gate->mean_kld.value = kld;
    return verdicts(r);
  };
  using Lines = std::vector<std::string>;
  EXPECT_EQ(said(0.0185, 0.0123), (Lines{"met: perplexity +1.85% of at most 3% on the gate text",
                                         "met: mean KL divergence 0.01230 of at most 0.02 nats on the gate text"}));
  EXPECT_EQ(said(0.03004, 0.0200004),
            (Lines{"missed: perplexity +3.004% of at most 3% on the gate text",
                   "missed: mean KL divergence 0.0200004 of at most 0.02 nats on the gate text"}));
}

TEST(HtmlReport, CallsNoTextUnseenThatWasSeen) {
  Report r = model_of(2);
  r.quality = some_quality();
  EXPECT_TRUE(has(html_report(r), "of text that no choice saw"));
  r.report_text_was_seen = true;
  EXPECT_FALSE(has(html_report(r), "no choice saw"));
  EXPECT_TRUE(has(html_report(r), "saw too, which flatters the result"));
}

TEST(HtmlReport, FetchesNothingAndShowsNoNan) {
  const std::string html = html_report(model_of(2));
  for (const char* part : {"http:", "https:", "src=", "@import", "url("}) EXPECT_FALSE(has(html, part)) << part;
  for (const char* part : {">nan", "-nan", "inf,", "\"inf", "nan,"}) EXPECT_FALSE(has(html, part)) << part;
  Report r = model_of(2);
  r.quality = some_quality();
  r.quality->mean_kld.value = std::numeric_limits<double>::quiet_NaN();
  message_of(ErrorCode::kInternal, [&] { html_report(r); });
}

TEST(HtmlReport, EscapesEveryTextThatComesFromFiles) {
  Report r = model_of(2);
  r.model_name = r.contents = r.architecture = r.command = r.instruction_set = r.precision = kHostile;
  r.notes = {kHostile};
  r.report_text = r.calibration = TextUse{kHostile, kHostile, 1, 1};
  r.source_sha256 = r.ladder[0].plan.scheme = r.ladder[0].plan.statistics_sha256 = kHostile;
  for (std::size_t i = 0; i < r.tensors.size(); ++i) {
    r.tensors[i].facts.role = r.tensors[i].facts.measured_codec = kHostile;
    r.tensors[i].facts.kld = 0.1;
    r.tensors[i].step.tensor = r.tensors[i].step.codec = r.ladder[0].plan.steps[i].tensor =
        r.ladder[0].plan.steps[i].codec = kHostile;
  }
  const std::string html = html_report(r);
  EXPECT_FALSE(has(html, "<img"));
  EXPECT_FALSE(has(html, "onerror=\""));
  EXPECT_EQ(html.find("</script>"), html.rfind("</script>"));
  EXPECT_EQ(html, printable(html));
}

// Sizes of ticks, roles of the ends, trials at one place: what cannot be read beside each other is not drawn.
TEST(HtmlReport, LabelsOfChartsTellTicksApartAndLeaveEachOtherRoom) {
  EXPECT_EQ(size_label(1'186'000, 1000), "1.186 MB");
  EXPECT_EQ(size_label(1'186'000, 1e6), "1.19 MB");
  Chart chart{
      .label = "c", .x = {"x", 0, 100, ChartAxis::Scale::kLinear, {}}, .y = linear_axis("y", 0, 1, plain_number)};
  for (int i = 0; i <= 100; ++i) chart.x.ticks.push_back({static_cast<double>(i), fmt::format("tick {}", i)});
  for (int i = 0; i < 40; ++i) chart.callouts.push_back({{50, 0.5}, fmt::format("words {}", i)});
  const std::string svg = draw(chart);
  expect_parts(svg, {">tick 0<", ">tick 100<", ">words 0<", ">words 3<"});
  for (const char* part : {">tick 1<", ">tick 99<", ">words 39<"}) EXPECT_FALSE(has(svg, part)) << part;
}

TEST(HtmlReport, FoldsEqualBlocksOfDeepModels) {
  const std::string html = html_report(model_of(120));
  EXPECT_TRUE(has(html, "<th scope=\"row\">0&ndash;119</th>"));
  EXPECT_TRUE(has(html, "119.down"));
}

TEST(HtmlReport, OfAModelThatNothingRecognisesHasNoMaps) {
  Report r = model_of(3);
  r.can_run = false;
  for (ReportedTensor& tensor : r.tensors) tensor.facts.layer = -1;
  const std::string html = html_report(r);
  EXPECT_FALSE(has_section(html, "precision"));
  EXPECT_TRUE(has_section(html, "depth"));
  EXPECT_TRUE(has(html, "Quality could not be measured"));
}

}  // namespace
}  // namespace quern
