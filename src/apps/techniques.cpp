// Plans by every scheme, of which only the sizes of the files are kept.
#include "apps/techniques.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/counted.h"
#include "base/fail.h"
#include "encode/encode.h"
#include "encode/tensor_files.h"
#include "format/formats.h"
#include "package/package.h"
#include "plan/plan.h"
#include "plan/scheme.h"

namespace quern {
namespace {

// The model's tensors in a container with what stands before them, or why it cannot be written there.
struct Container {
  ExportMap names;
  CheckpointHead head;  // as long for every scheme
  std::string why_not;
};

class Sizes {
 public:
  Sizes(const OpenModel& model, const SourceTokenizer& tokenizer)
      : model_(model), tokenizer_(tokenizer), files_(model.checkpoint) {}

  Technique technique(const Scheme& scheme) {
    Technique technique{scheme.name, scheme.summary, scheme.format};
    try {
      const Format& format = find_format(scheme.format);
      const auto [found, is_new] = containers_.try_emplace(scheme.format);
      if (is_new) found->second = container(scheme, format);
      technique.why_not = found->second.why_not;
      if (technique.why_not.empty()) technique.bytes = bytes_of(scheme, format, found->second);
    } catch (const Error& error) {
      technique.why_not = error.what();
    }
    return technique;
  }

 private:
  Container container(const Scheme& scheme, const Format& format) const {
    try {
      ExportMap names = export_map(model_, format);
      CheckpointHead head = package_head(names, format, model_, tokenizer_);
      return {std::move(names), std::move(head), {}};
    } catch (const Error& error) {
      return {{}, {}, error.what()};
    }
  }

  std::uint64_t bytes_of(const Scheme& scheme, const Format& format, Container& container) const {
    const Plan plan = make_plan({scheme, format, model_.spec, container.names, model_.weights, {}});
    set_tensors(container.head, tensor_table(plan, container.names, model_.spec, files_), container.names);
    return package_bytes(container.head, format, model_.checkpoint);
  }

  const OpenModel& model_;
  const SourceTokenizer& tokenizer_;
  TensorFiles files_;
  std::map<std::string, Container> containers_;
};

}  // namespace

std::vector<Technique> techniques(const OpenModel& model, const SourceTokenizer& tokenizer) {
  std::vector<Technique> all;
  Sizes sizes(model, tokenizer);
  for (const Scheme* scheme : schemes()) all.push_back(sizes.technique(*scheme));
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
  bool shrinks = false;
  for (const Technique& t : all) {
    if (!t.why_not.empty()) {
      refused[t.why_not].push_back(t.scheme);
      continue;
    }
    shrinks = shrinks || t.bytes < source_bytes;
    const double ratio = static_cast<double>(source_bytes) / static_cast<double>(std::max<std::uint64_t>(1, t.bytes));
    text += fmt::format("{:<16}{:<14}{:>14}{:>9.2f}x  {}\n", t.scheme, t.format, t.bytes, ratio, t.summary);
  }
  if (!shrinks) text += "none of them makes it smaller: its files are compressed already\n";
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
