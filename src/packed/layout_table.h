// The table of tensors while layouts of quantization packages take their modules out of it.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/open_files.h"

namespace quern {

// A stored tensor that a decoder reads, in whatever file it lies.
class Operand {
 public:
  Operand() = default;
  Operand(const TensorEntry& entry, std::shared_ptr<OpenFiles> elsewhere)
      : entry_(entry), elsewhere_(std::move(elsewhere)) {}

  const std::string& name() const { return entry_.name; }
  const Shape& shape() const { return entry_.shape; }
  const std::string& encoding() const { return entry_.encoding; }
  const TensorPart& part() const { return entry_.parts[0]; }
  std::uint64_t stored_bytes() const { return entry_.bytes(); }
  // Bytes of the tensor from `offset`. `home`: the file that the decoder was given.
  void read(const File& home, std::uint64_t offset, std::span<std::byte> out) const {
    read_part(elsewhere_ ? *elsewhere_->open(part().file) : home, part(), offset, out);
  }

 private:
  TensorEntry entry_;
  std::shared_ptr<OpenFiles> elsewhere_;  // null: the decoder's own file
};

class LayoutTable {
 public:
  // Takes the tensors of `contents`, which outlives the table, and gives them back with finish().
  explicit LayoutTable(Checkpoint::Contents& contents);

  const Json& config() const { return contents_.config; }
  const std::vector<TensorEntry>& tensors() const { return tensors_; }
  // Of those that no layout took; null: there is none.
  const TensorEntry* find(std::string_view name) const;
  // Those that no layout took and whose name ends so.
  std::vector<const TensorEntry*> ending_with(std::string_view suffix) const;

  // Error(kInput) that says what is missing, or which type or shape was expected.
  const TensorEntry& need(const std::string& name) const;
  const TensorEntry& need(const std::string& name, std::string_view encoding) const;
  const TensorEntry& need(const std::string& name, std::string_view encoding, const Shape& shape) const;

  // The bytes of a small tensor. Error(kInput) when it has more than `most`.
  std::vector<std::byte> read_small(const TensorEntry& entry, std::uint64_t most) const;
  // Fills `out` from `offset` within the tensor.
  void read(const TensorEntry& entry, std::uint64_t offset, std::span<std::byte> out) const;
  // For a decoder whose part lies in the file `home`.
  Operand operand(const TensorEntry& entry, std::uint32_t home) const;

  // The tensor belongs to a module, or is nothing that is read.
  void take(const TensorEntry& entry) { taken_.insert(entry.name); }
  // Which way the matrices lie that are put in from here on.
  void expect(TensorEntry::Axes axes) { axes_ = axes; }
  // The matrix that a module stores, which may have the name of a taken tensor. `layout`: what was found, for the note,
  // such as "GPTQ, 4 bits, groups of 128"; "": nothing to say.
  void put(TensorEntry entry, const std::string& layout);
  // Something a person should know; the same note is kept once.
  void note(const std::string& text);
  // A note where the configuration says other bits, or another size of groups (0: there are none, or several), than a
  // module has. Of models that say them module by module ("dynamic") nothing.
  void compare_with_config(unsigned bits, std::uint64_t group_size);
  bool found_any() const { return !made_.empty(); }

  // Puts what is left and what was made into the contents, with a note for each layout.
  void finish();

 private:
  Checkpoint::Contents& contents_;
  std::vector<TensorEntry> tensors_, made_;
  TensorEntry::Axes axes_ = TensorEntry::Axes::kOfModule;
  std::vector<const TensorEntry*> by_name_;  // sorted; of several of a name the first
  std::set<std::string, std::less<>> taken_;
  std::map<std::string, std::pair<std::uint64_t, std::string>>
      found_;  // layout -> matrices, type that they are read as
  std::shared_ptr<OpenFiles> files_;
};

}  // namespace quern
