// Matrices are named by role and layers, so that a long list stays a sentence.
#include "compress/method_note.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <vector>

#include "plan/methods.h"
#include "plan/size_plan.h"

namespace quern {
namespace {

// "a, b and c"
std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == names.size() ? " and " : ", ", names[i]);
  return text;
}

// "0-3, 5" of numbers that rise.
std::string runs_of(const std::vector<std::int32_t>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", numbers[i]);
    if (end - i > 1) text += fmt::format("-{}", numbers[end - 1]);
    i = end;
  }
  return text;
}

std::string places_of(const std::vector<OutputTensor>& tensors) {
  std::map<std::string, std::vector<std::int32_t>> layers;
  for (const OutputTensor& tensor : tensors) layers[tensor.weight.role].push_back(tensor.weight.layer);
  std::vector<std::string> places;
  for (auto& [role, numbers] : layers) {
    std::ranges::sort(numbers);
    const auto again = std::ranges::unique(numbers);
    numbers.erase(again.begin(), again.end());
    places.push_back(numbers.back() < 0
                         ? role
                         : fmt::format("{} of layer{} {}", role, numbers.size() == 1 ? "" : "s", runs_of(numbers)));
  }
  return listed(places);
}

// The matrices that one method was chosen for.
struct Wins {
  std::vector<OutputTensor> tensors;
  double kld = 0, others_kld = 0;  // predicted of them, and of the best other formats of at most as many bytes
  std::size_t alone = 0;           // that no other format is so small on
};

void add_win(const StepOptions& of_step, const StepOption& chosen, Wins& wins) {
  const StepOption* best = nullptr;
  for (const StepOption& other : of_step.options)
    if (!method_of(*other.codec) && other.bytes <= chosen.bytes && (!best || other.kld < best->kld)) best = &other;
  if (!best) {
    ++wins.alone;
    return;
  }
  wins.kld += chosen.kld;
  wins.others_kld += best->kld;
}

std::string reason_of(const Wins& wins) {
  const std::size_t compared = wins.tensors.size() - wins.alone;
  if (compared == 0) return "no other number format is so small there";
  std::string text =
      fmt::format("the best others of at most as many bytes are predicted to lose {:.2g} nats where it loses {:.2g}",
                  wins.others_kld, wins.kld);
  if (wins.alone > 0) text += fmt::format(", and in {} of them no other is so small", wins.alone);
  return text;
}

// Methods with a number format that stood to choice, or that did not.
std::vector<std::string> names_of_methods(std::span<const StepOptions> options, bool (*counts)(std::size_t)) {
  std::vector<std::string> names;
  for (const Method& method : methods()) {
    const auto tried = std::ranges::count_if(options, [&](const StepOptions& of_step) {
      return std::ranges::any_of(of_step.options, [&](const StepOption& o) { return method_of(*o.codec) == &method; });
    });
    if (counts(static_cast<std::size_t>(tried))) names.emplace_back(method.name);
  }
  return names;
}

std::string none_note(const Opened& opened, std::span<const StepOptions> options) {
  const std::vector<std::string> tried = names_of_methods(options, [](std::size_t count) { return count > 0; }),
                                 absent = names_of_methods(options, [](std::size_t count) { return count == 0; });
  std::string text;
  if (!tried.empty())
    text = fmt::format(
        "{} {} tried, and chosen for no matrix: at this size other number formats are predicted to lose "
        "less in the same bytes",
        listed(tried), tried.size() == 1 ? "was" : "were");
  if (!absent.empty())
    text += fmt::format("{}no number format of {} that {} holds suits these matrices", text.empty() ? "" : "; ",
                        listed(absent), opened.format.name);
  return text;
}

}  // namespace

std::string method_note(const Opened& opened, const Plan& plan, std::span<const StepOptions> options) {
  const std::vector<OutputTensor> tensors = output_tensors(plan, opened.source.spec, opened.names);
  std::map<const Method*, Wins> all;
  for (const StepOptions& of_step : options) {
    const StepOption* chosen = option_of(of_step, plan);
    const Method* method = chosen ? method_of(*chosen->codec) : nullptr;
    if (!method) continue;
    all[method].tensors.push_back(tensors[of_step.step]);
    add_win(of_step, *chosen, all[method]);
  }
  if (all.empty()) return none_note(opened, options);
  std::vector<std::string> parts;
  for (const auto& [method, wins] : all)
    parts.push_back(fmt::format("{} serves this size best in {} of {} matrices ({}): {}", method->name,
                                wins.tensors.size(), options.size(), places_of(wins.tensors), reason_of(wins)));
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : "; ") + part;
  return text;
}

}  // namespace quern
