// The figures as text.
#include "report/headline.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>

namespace quern {
namespace {

std::string with_error(const Estimate& e, int digits, double scale = 1) {
  return fmt::format("{:.{}f} +- {:.{}f}", e.value * scale, digits, e.standard_error * scale, digits);
}

std::string change(std::uint64_t from, std::uint64_t to) {
  const double a = static_cast<double>(from), b = static_cast<double>(to);
  return a >= b ? fmt::format("{:.2f}x smaller", a / b) : fmt::format("{:.2f}x larger", b / a);
}

// Number formats with the reasons for them, by the share of the bytes that they account for.
std::string reasons_by_kind(const Plan& plan) {
  constexpr std::size_t kShown = 4;
  std::map<std::pair<std::string, std::string>, std::uint64_t> by_kind;
  for (const PlanStep& step : plan.steps) by_kind[{step.codec, step.reason}] += step.bytes;
  std::vector<std::pair<std::uint64_t, std::string>> rows;
  for (const auto& [kind, bytes] : by_kind) rows.emplace_back(bytes, fmt::format("{} ({})", kind.first, kind.second));
  std::ranges::sort(
      rows, [](const auto& a, const auto& b) { return std::tie(b.first, a.second) < std::tie(a.first, b.second); });
  std::string text;
  double left = 100;
  for (std::size_t i = 0; i < std::min(kShown, rows.size()); ++i) {
    const double share = 100.0 * static_cast<double>(rows[i].first) / static_cast<double>(plan.tensor_bytes());
    left -= share;
    text += fmt::format("{} {:.0f}%{} {}", i ? "," : ":", share, i ? "" : " of the bytes of its weights are",
                        rows[i].second);
  }
  return rows.size() > kShown ? text + fmt::format(", {:.0f}% others", left) : text;
}

// Digits behind the point with which a value above a bound is seen to be above it; at least so many.
int digits_against(double value, double most, int digits) {
  constexpr int kMostDigits = 12;
  while (value > most && std::stod(fmt::format("{:.{}f}", value, digits)) <= most && digits < kMostDigits) ++digits;
  return digits;
}

}  // namespace

std::string grouped(std::uint64_t value) {
  if (value < 1000) return fmt::format("{}", value);
  return fmt::format("{},{:03}", grouped(value / 1000), value % 1000);
}

std::string allowed(const QualityBound& bound) {
  std::string text;
  if (bound.max_perplexity_increase)
    text = fmt::format("perplexity at most {:.2f}% worse", 100 * *bound.max_perplexity_increase);
  if (bound.max_kld)
    text += fmt::format("{}mean KL divergence at most {:.4g} nats", text.empty() ? "" : ", ", *bound.max_kld);
  return text;
}

std::vector<std::string> verdicts(const Report& r) {
  std::vector<std::string> lines;
  const auto add = [&](bool is_met, const std::string& figure) {
    lines.push_back(fmt::format("{}: {}", is_met ? "met" : "missed", figure));
  };
  if (r.size)
    add(r.size->chosen.bytes <= r.size->most,
        fmt::format("{} bytes of at most {}", grouped(r.size->chosen.bytes), grouped(r.size->most)));
  if (r.ladder.empty() || !r.ladder.back().gate) return lines;
  const Quality& gate = *r.ladder.back().gate;
  if (const auto& most = r.bound.max_perplexity_increase) {
    const double value = 100 * gate.perplexity_increase.value, limit = 100 * *most;
    add(gate.perplexity_increase.value <= *most, fmt::format("perplexity {:+.{}f}% of at most {:g}% on the gate text",
                                                             value, digits_against(value, limit, 2), limit));
  }
  if (const auto& most = r.bound.max_kld)
    add(gate.mean_kld.value <= *most,
        fmt::format("mean KL divergence {:.{}f} of at most {:g} nats on the gate text", gate.mean_kld.value,
                    digits_against(gate.mean_kld.value, *most, 5), *most));
  return lines;
}

std::vector<HeadlineRow> headline(const Report& r) {
  std::vector<HeadlineRow> rows{{"Bytes, everything counted", grouped(r.source_bytes), grouped(r.output_bytes),
                                 change(r.source_bytes, r.output_bytes)},
                                {"Bytes if stored in FP32", grouped(r.fp32_bytes()), grouped(r.output_bytes),
                                 change(r.fp32_bytes(), r.output_bytes)},
                                {"Bits per weight", fmt::format("{:.2f}", r.bits_per_weight(r.source_bytes)),
                                 fmt::format("{:.2f}", r.bits_per_weight(r.output_bytes)), ""}};
  if (!r.quality) return rows;
  const Quality& q = *r.quality;
  rows.push_back({"Perplexity", with_error(q.original_perplexity, 3), with_error(q.perplexity, 3),
                  fmt::format("{:+.2f}% +- {:.2f}", 100 * q.perplexity_increase.value,
                              100 * q.perplexity_increase.standard_error)});
  rows.push_back({"KL divergence, mean (nats)", "0", with_error(q.mean_kld, 5), ""});
  rows.push_back({"KL divergence, median", "0", with_error(q.median_kld, 5), ""});
  rows.push_back({"KL divergence, 99th percentile", "0", with_error(q.kld_99, 4), ""});
  rows.push_back({"Same most likely token", "100%", fmt::format("{}%", with_error(q.same_top, 2, 100)), ""});
  return rows;
}

std::string summary(const Report& r, std::optional<std::size_t> columns) {
  const std::vector<HeadlineRow> rows = headline(r);
  std::size_t what = 0, before = 0, after = 0, change = 0;
  for (const HeadlineRow& row : rows) {
    what = std::max(what, row.what.size());
    before = std::max(before, row.before.size());
    after = std::max(after, row.after.size());
    change = std::max(change, row.change.size());
  }
  const bool is_narrow = columns && what + before + after + change + 8 > *columns;
  std::string text;
  for (const HeadlineRow& row : rows) {
    std::string line = is_narrow ? fmt::format("{}\n  {} -> {}", row.what, row.before, row.after)
                                 : fmt::format("{:<{}}  {:>{}} -> {:<{}}", row.what, what, row.before, before,
                                               row.after, row.change.empty() ? 0 : after);
    text += line + (row.change.empty() ? "\n" : "  " + row.change + "\n");
  }
  return r.quality ? text : text + unmeasured(r);
}

std::string size_remark(const Report& r) {
  constexpr double kNothing = 0.995;
  const double ratio = static_cast<double>(r.output_bytes) / static_cast<double>(r.source_bytes);
  if (r.source_bytes == 0 || r.ladder.empty() || ratio < kNothing) return {};
  const std::string why = reasons_by_kind(r.ladder.back().plan);
  if (r.output_bytes > r.source_bytes)
    return fmt::format("nothing was compressed: the files are {:.2f}x as large as the source's{}", ratio, why);
  return fmt::format("nothing was compressed ({:.2f}x){}", 1 / ratio, why);
}

std::string unmeasured(const Report& r) {
  if (r.can_run) return "Quality was not measured: no report text was given.\n";
  return "Quality could not be measured: no architecture recognises the model, so that it cannot be run. The only "
         "figures are the errors of its tensors.\n";
}

}  // namespace quern
