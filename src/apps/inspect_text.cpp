// An inspection as tables for a terminal. Names come from files, and are made printable one by one.
#include <algorithm>

#include "apps/inspect.h"
#include "base/counted.h"
#include "base/fail.h"
#include "base/printable.h"
#include "model/architectures.h"

namespace quern {
namespace {

constexpr std::size_t kListed = 20;  // names of one kind, at most

std::string sums_table(const char* title, const std::map<std::string, TensorSums>& map, std::uint64_t all) {
  std::string text = fmt::format("\n{:<20}{:>9}{:>16}{:>16}{:>9}\n", title, "tensors", "weights", "bytes", "share");
  for (const auto& [name, sums] : map)
    text += fmt::format("{:<20}{:>9}{:>16}{:>16}{:>8.2f}%\n", printable_line(name), sums.tensors, sums.elements,
                        sums.bytes, all ? 100.0 * static_cast<double>(sums.elements) / static_cast<double>(all) : 0.0);
  return text;
}

std::string evidence_table(const ModelSpec& spec) {
  std::string text = fmt::format("\n{:<20}{:>12}  {}\n", "property", "value", "evidence");
  for (const Evidence& e : spec.evidence)
    text += fmt::format("{:<20}{:>12}  {}\n", printable_line(e.property), printable_line(e.value),
                        printable_line(e.source));
  return text;
}

std::string differences_table(const Inspection& i) {
  if (i.differences.empty()) return {};
  std::string text = fmt::format("\n{:<16}{:>12}{:>12}  {}\n", "contradiction", "claimed", "shown", "by");
  for (const ExtentDifference& d : i.differences)
    text += fmt::format("{:<16}{:>12}{:>12}  {}; {}\n", d.extent, d.claimed, d.shown, printable_line(d.claimed_by),
                        printable_line(d.shown_by));
  return text;
}

std::string architecture_lines(const Inspection& i) {
  if (i.spec)
    return fmt::format("architecture: {}{}\n", printable_line(i.spec->architecture),
                       i.spec->tied_head ? ", head tied to the embedding" : "") +
           evidence_table(*i.spec);
  std::string text = fmt::format("architecture: not known ({})\n", printable_line(i.why_unknown));
  if (!i.inferred) return text;
  if (i.inferred->blocks.empty())
    return text + "roles below: by the tensors' names and shapes; compress can pack the matrices, but not check them\n";
  text += fmt::format("by the tensors alone: {}{}\n", printable_line(i.inferred->architecture),
                      i.inferred->tied_head ? ", head tied to the embedding" : "");
  return text + evidence_table(*i.inferred) + differences_table(i);
}

// The first of them, and how many more.
class ShortList {
 public:
  void add(const std::string& line) {
    if (count_++ < kListed) lines_ += fmt::format("  {}\n", printable_line(line));
  }
  std::string text(const char* title) const {
    if (count_ == 0) return {};
    std::string text = fmt::format("\n{}\n{}", title, lines_);
    if (count_ > kListed) text += fmt::format("  and {} more (`json` lists all)\n", count_ - kListed);
    return text;
  }

 private:
  std::string lines_;
  std::size_t count_ = 0;
};

std::string notes_list(const Inspection& i) {
  ShortList notes;
  for (const std::string& note : i.notes) notes.add(note);
  return notes.text("notes");
}

std::string unmatched_list(const Inspection& i) {
  ShortList names;
  for_each_unmatched(*i.checkpoint, [&](const TensorEntry& entry) { names.add(entry.name); });
  return names.text("tensors without a place in a known architecture");
}

// What contradicts itself, or has no weights in floats, is only shown.
std::string refusal(const Inspection& i) {
  if (i.inferred)
    return "\nthe other commands refuse it, since its configuration and its tensors contradict each other: correct "
           "one\n";
  return "\nthe other commands refuse it: nothing in it is known to be a model's weights in floats\n";
}

std::string duplicate_lists(const Inspection& i) {
  ShortList equal, unread;
  if (const ModelSpec* model = i.model(); model && !model->tied_copy.empty())
    equal.add(model->tied_copy + " stands beside the embedding that it is tied to");
  for (const DuplicateTensors::Group& group : i.duplicates.groups) {
    std::string line;
    for (std::size_t n = 0; n < std::min(group.size(), kListed); ++n) line += (n ? " = " : "") + group[n]->name;
    if (group.size() > kListed) line += fmt::format(" = {} more", group.size() - kListed);
    equal.add(line);
  }
  for (const TensorEntry* entry : i.duplicates.unread) unread.add(entry->name);
  return equal.text("tensors of equal bytes") + unread.text("tensors that begin alike, too large to be compared");
}

std::string unused_lines(const UnusedRows& unused) {
  const double share = static_cast<double>(unused.parameters) / static_cast<double>(unused.of_parameters);
  return fmt::format("\n{} of {} embedding rows ({:.1f}% of the parameters) have no token\n", unused.rows, unused.of,
                     100 * share);
}

std::string ternary_line(const TernaryMatrices& ternary) {
  return fmt::format(
      "\nternary weights: {} of {} matrices have the values -s, 0 and s alone{}; schemes of three values "
      "keep them\n",
      ternary.count, ternary.of, ternary.by_row ? fmt::format(" ({} with an s for each row)", ternary.by_row) : "");
}

std::string memory_lines(const MemoryEstimate& m) {
  std::string text = "\nmemory for one sequence, bytes";
  if (m.context) text += fmt::format(" at a context of {} tokens", m.context);
  if (m.made_for) text += fmt::format(" (the model was made for {})", m.made_for);
  text += fmt::format("\n{:<28}{:>20}\n{:<28}{:>20}\n", "weights as stored", m.stored, "weights in f32", m.weights_f32);
  if (m.kv_f32)
    text += fmt::format("{:<28}{:>20}\n{:<28}{:>20}\n", "KV cache in f32", m.kv_f32, "KV cache in f16", m.kv_f16);
  if (m.state_f32) text += fmt::format("{:<28}{:>20}  whatever the context\n", "state in f32", m.state_f32);
  return text;
}

}  // namespace

std::string describe(const Inspection& i) {
  std::string text = fmt::format("{}: {}, {}, {}, {}, {}\n", printable_line(i.path), printable_line(i.format),
                                 counted(i.files.size(), "file"), counted(i.file_bytes, "byte"),
                                 counted(i.total.tensors, "tensor"), counted(i.total.elements, "weight"));
  if (i.tensors().empty())
    return text + "it holds no tensors: a vocabulary alone, or settings; open the file with the weights\n" +
           notes_list(i);
  text += architecture_lines(i);
  if (!i.by_role.empty()) text += sums_table("role", i.by_role, i.total.elements);
  text += sums_table("stored as", i.by_encoding, i.total.elements);
  if (i.ternary) text += ternary_line(*i.ternary);
  if (i.unused_rows) text += unused_lines(*i.unused_rows);
  if (i.memory) text += memory_lines(*i.memory);
  text += i.techniques.empty() ? refusal(i) : techniques_table(i.techniques, i.file_bytes);
  if (!i.techniques.empty() && i.memory)
    text += "with a text (`calibration_text`) each loses less, and `size` chooses among them matrix by matrix\n";
  return text + duplicate_lists(i) + unmatched_list(i) + notes_list(i);
}

void describe_tensors(const Inspection& i, const TakeText& take) {
  if (i.tensors().empty()) return;
  take(fmt::format("\n{:<56}{:<10}{:>14}  shape\n", "tensor", "stored as", "bytes"));
  for (const TensorEntry& t : i.tensors())
    take(fmt::format("{:<56}{:<10}{:>14}  {}\n", printable_line(t.name), printable_line(t.encoding), t.bytes(),
                     to_string(t.shape)));
}

}  // namespace quern
