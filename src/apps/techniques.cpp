// Plans by every scheme, of which only the sizes are kept.
#include "apps/techniques.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/counted.h"
#include "base/fail.h"
#include "format/formats.h"
#include "package/package.h"
#include "plan/plan.h"
#include "plan/scheme.h"

namespace quern {
namespace {

// The model's tensors in a container, or why it cannot be written there.
struct Container {
  ExportMap names;
  std::string why_not;
};

Container container_of(const OpenModel& model, const Format& format) {
  try {
    return {export_map(model, format), {}};
  } catch (const Error& error) {
    return {{}, error.what()};
  }
}

Technique technique_of(const OpenModel& model, const Scheme& scheme, std::map<std::string, Container>& containers) {
  Technique technique{scheme.name, scheme.summary, scheme.format};
  try {
    const Format& format = find_format(scheme.format);
    const auto found = containers.find(scheme.format);
    const Container& container = found != containers.end()
                                     ? found->second
                                     : containers.emplace(scheme.format, container_of(model, format)).first->second;
    if (container.why_not.empty())
      technique.bytes = make_plan({scheme, format, model.spec, container.names, model.weights, {}}).tensor_bytes();
    technique.why_not = container.why_not;
  } catch (const Error& error) {
    technique.why_not = error.what();
  }
  return technique;
}

}  // namespace

std::vector<Technique> techniques(const OpenModel& model) {
  std::vector<Technique> all;
  std::map<std::string, Container> containers;
  for (const Scheme* scheme : schemes()) all.push_back(technique_of(model, *scheme, containers));
  const auto order = [](const Technique& t) {
    return std::tuple(!t.why_not.empty(), ~t.bytes, std::string_view(t.scheme));
  };
  std::ranges::sort(all, {}, order);
  return all;
}

std::string techniques_table(const std::vector<Technique>& all, std::uint64_t source_bytes) {
  std::string text =
      fmt::format("\n{:<16}{:<14}{:>14}{:>10}  {}\n", "compress by", "container", "bytes", "smaller", "what it is");
  std::map<std::string, std::vector<std::string>> refused;
  for (const Technique& t : all) {
    if (!t.why_not.empty()) {
      refused[t.why_not].push_back(t.scheme);
      continue;
    }
    const double ratio = static_cast<double>(source_bytes) / static_cast<double>(std::max<std::uint64_t>(1, t.bytes));
    text += fmt::format("{:<16}{:<14}{:>14}{:>9.2f}x  {}\n", t.scheme, t.format, t.bytes, ratio, t.summary);
  }
  for (const auto& [why, names] : refused)
    text += fmt::format("not {}{}: {}\n", names.front(),
                        names.size() > 1 ? fmt::format(" and {} more", names.size() - 1) : "", why);
  return text;
}

Json to_json(const Technique& t) {
  Json json = Json::object({{"scheme", t.scheme}, {"format", t.format}});
  if (t.why_not.empty())
    json.set("bytes", t.bytes);
  else
    json.set("why_not", t.why_not);
  return json;
}

}  // namespace quern
