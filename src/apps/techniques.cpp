// What every scheme decides of each kind of tensor. Of layers and experts that differ in their numbers alone one is
// asked about.
#include "apps/techniques.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>

#include "apps/listed_pieces.h"
#include "base/counted.h"
#include "base/fail.h"
#include "base/printable.h"
#include "encode/encode.h"
#include "encode/tensor_files.h"
#include "format/formats.h"
#include "package/package.h"
#include "plan/plan.h"
#include "plan/scheme.h"

namespace quern {
namespace {

// Tensors of a container of which a scheme decides alike.
struct TensorKind {
  ExportedWeight one;
  std::uint64_t count = 0;
};

// The model's tensors in a container, or why it cannot be written there.
struct Container {
  ExportMap names;                // but for its tensors
  std::vector<TensorKind> kinds;  // in the order of their first tensors
  std::uint64_t beside = 0;       // bytes of a package but for its tensors: header, configuration, tokenizer
  std::uint64_t fixed = 0;        // of these the bytes of a package without tensors
  std::string why_not;
};

// "model.layers.17.mlp.up_proj.weight" without the number.
std::string without_numbers(std::string_view name) {
  std::string text;
  for (const char c : name)
    if (c < '0' || c > '9') text += c;
  return text;
}

// All of a tensor that a rule, a number format or a container asks for.
std::string kind_of(const OpenModel& model, const ExportedWeight& exported) {
  const Weight& weight = model.spec.weights[exported.weight];
  return fmt::format("{} {} {} {} {} {} {} {}", without_numbers(exported.name), weight.role, weight.layer,
                     weight.axes.size(), fmt::join(exported.output_shape(weight), "x"), exported.is_transposed(weight),
                     static_cast<int>(exported.transform), model.weights.stored(weight).encoding);
}

std::vector<TensorKind> kinds_of(const OpenModel& model, const ExportMap& names) {
  std::vector<TensorKind> kinds;
  std::unordered_map<std::string, std::size_t> known;  // places in `kinds`
  for (const ExportedWeight& exported : names.weights) {
    const auto [at, is_new] = known.try_emplace(kind_of(model, exported), kinds.size());
    if (is_new) kinds.push_back({exported, 0});
    ++kinds[at->second].count;
  }
  return kinds;
}

// What a scheme makes of a model.
struct Size {
  Technique technique;
  std::uint64_t fixed = 0;  // bytes that a package without tensors has
};

class Sizes {
 public:
  Sizes(const OpenModel& model, const SourceTokenizer& tokenizer)
      : model_(model), tokenizer_(tokenizer), files_(model.checkpoint) {}

  Size of(const Scheme& scheme) {
    Size size{{scheme.name, scheme.summary, scheme.format}};
    Technique& technique = size.technique;
    try {
      const Format& format = find_format(scheme.format);
      const auto [found, is_new] = containers_.try_emplace(scheme.format);
      if (is_new) found->second = container(scheme, format);
      technique.why_not = found->second.why_not;
      size.fixed = found->second.fixed;
      if (technique.why_not.empty()) technique.bytes = bytes_of(scheme, format, found->second);
    } catch (const Error& error) {
      technique.why_not = error.what();
    }
    return size;
  }

 private:
  // What stands beside the tensors is measured with one scheme: others differ from it by names of planes.
  Container container(const Scheme& scheme, const Format& format) const {
    try {
      Container container{export_map(model_, format), {}, 0, 0, {}};
      container.kinds = kinds_of(model_, container.names);
      const Plan plan = make_plan({scheme, format, model_.spec, container.names, model_.weights, {}});
      CheckpointHead head = package_head(container.names, format, model_, tokenizer_);
      container.fixed = package_bytes(head, format, model_.checkpoint);
      set_tensors(head, tensor_table(plan, container.names, model_.spec, files_), container.names);
      container.beside = package_bytes(head, format, model_.checkpoint) - plan.tensor_bytes();
      container.names.weights = {};  // a list of thousands
      return container;
    } catch (const Error& error) {
      return {{}, {}, 0, 0, error.what()};
    }
  }

  std::uint64_t bytes_of(const Scheme& scheme, const Format& format, const Container& container) const {
    std::uint64_t bytes = container.beside;
    for (const TensorKind& kind : container.kinds)
      bytes += kind.count * step_bytes({scheme, format, model_.spec, container.names, model_.weights, {}}, kind.one);
    return bytes;
  }

  const OpenModel& model_;
  const SourceTokenizer& tokenizer_;
  TensorFiles files_;
  std::map<std::string, Container> containers_;
};

// What a scheme makes of all pieces so far and of one more, with one package around them.
void add(Technique& sum, const Size& piece) {
  if (sum.why_not.empty()) sum.why_not = piece.technique.why_not;
  sum.bytes = sum.why_not.empty() ? sum.bytes + piece.technique.bytes - piece.fixed : 0;
}

// Of the header of safetensors, which alone holds such models: each tensor has two offsets, which have more digits in
// one file than in its pieces.
std::uint64_t digits_of_one_file(std::uint64_t bytes, std::uint64_t tensors, std::uint64_t pieces) {
  return 2 * tensors * (std::to_string(bytes).size() - std::to_string(bytes / pieces).size());
}

std::vector<Technique> in_order(std::vector<Technique> all) {
  const auto order = [](const Technique& t) {
    return std::tuple(!t.why_not.empty(), ~t.bytes, std::string_view(t.scheme));
  };
  std::ranges::sort(all, {}, order);
  return all;
}

}  // namespace

std::vector<Technique> techniques(const OpenModel& model, const SourceTokenizer& tokenizer) {
  std::vector<Technique> all;
  Sizes sizes(model, tokenizer);
  for (const Scheme* scheme : schemes()) all.push_back(sizes.of(*scheme).technique);
  return in_order(std::move(all));
}

std::vector<Technique> techniques_of_list(const Checkpoint& files, const ModelSpec& outline,
                                          const SourceTokenizer& tokenizer) {
  std::vector<Technique> all;
  std::uint64_t pieces = 0;
  for_each_listed_model(files, outline, [&](const OpenModel& piece) {
    ++pieces;
    Sizes sizes(piece, tokenizer);
    const bool is_first = all.empty();
    for (std::size_t i = 0; i < schemes().size(); ++i) {
      Size size = sizes.of(*schemes()[i]);
      if (is_first)
        all.push_back(std::move(size.technique));
      else
        add(all[i], size);
    }
  });
  for (Technique& technique : all)
    if (technique.why_not.empty())
      technique.bytes += digits_of_one_file(technique.bytes, files.tensors().size(), pieces);
  return in_order(std::move(all));
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
                        names.size() > 1 ? fmt::format(" and {} more", names.size() - 1) : "", printable_line(why));
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
