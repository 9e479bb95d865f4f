// Modules out of the table, matrices into it.
#include "packed/layout_table.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/fail.h"
#include "checkpoint/quantized_numbers.h"
#include "packed/quantized_modules.h"

namespace quern {

LayoutTable::LayoutTable(Checkpoint::Contents& contents)
    : contents_(contents),
      tensors_(std::move(contents.tensors)),
      files_(std::make_shared<OpenFiles>(paths_of(contents.files))) {
  contents.tensors.clear();
  by_name_.reserve(tensors_.size());
  for (const TensorEntry& tensor : tensors_) by_name_.push_back(&tensor);
  std::ranges::sort(by_name_, {}, [](const TensorEntry* e) { return std::pair(std::string_view(e->name), e); });
}

const TensorEntry* LayoutTable::find(std::string_view name) const {
  const auto at =
      std::ranges::lower_bound(by_name_, name, {}, [](const TensorEntry* e) -> std::string_view { return e->name; });
  return at == by_name_.end() || (*at)->name != name || taken_.contains(name) ? nullptr : *at;
}

std::vector<const TensorEntry*> LayoutTable::ending_with(std::string_view suffix) const {
  std::vector<const TensorEntry*> found;
  for (const TensorEntry& tensor : tensors_)
    if (tensor.name.size() > suffix.size() && tensor.name.ends_with(suffix) && !taken_.contains(tensor.name))
      found.push_back(&tensor);
  return found;
}

const TensorEntry& LayoutTable::need(const std::string& name) const {
  if (const TensorEntry* entry = find(name)) return *entry;
  fail(ErrorCode::kInput, "{} is missing", name);
}

const TensorEntry& LayoutTable::need(const std::string& name, std::string_view encoding) const {
  const TensorEntry& entry = need(name);
  if (entry.encoding != encoding)
    fail(ErrorCode::kInput, "{} is {}, but {} was expected", name, entry.encoding, encoding);
  return entry;
}

const TensorEntry& LayoutTable::need(const std::string& name, std::string_view encoding, const Shape& shape) const {
  const TensorEntry& entry = need(name, encoding);
  if (entry.shape != shape)
    fail(ErrorCode::kInput, "{} is {} {}, but {} {} was expected", name, entry.encoding, to_string(entry.shape),
         encoding, to_string(shape));
  return entry;
}

void LayoutTable::read(const TensorEntry& entry, std::uint64_t offset, std::span<std::byte> out) const {
  const TensorPart& part = entry.parts.at(0);
  ensure(offset <= part.bytes && out.size() <= part.bytes - offset, "{}: {} bytes at {} of {}", entry.name, out.size(),
         offset, part.bytes);
  with_context(entry.name, [&] { read_part(*files_->open(part.file), part, offset, out); });
}

std::vector<std::byte> LayoutTable::read_small(const TensorEntry& entry, std::uint64_t most) const {
  const std::uint64_t bytes = entry.parts.at(0).bytes;
  if (bytes > most) fail(ErrorCode::kInput, "{} has {} bytes; at most {} were expected", entry.name, bytes, most);
  std::vector<std::byte> content(bytes);
  read(entry, 0, content);
  return content;
}

Operand LayoutTable::operand(const TensorEntry& entry, std::uint32_t home) const {
  return {entry, entry.parts.at(0).file == home ? nullptr : files_};
}

void LayoutTable::put(TensorEntry entry, const std::string& layout) {
  if (find(entry.name))
    fail(ErrorCode::kInput, "{} is stored twice, plain and quantized{}", entry.name,
         layout.empty() ? "" : " (" + layout + ")");
  if (!layout.empty()) {
    auto& [count, type] = found_[layout];
    ++count;
    type = entry.encoding;
    for (TensorPart& part : entry.parts)
      if (part.decoder) part = decoded_part(std::move(part), layout);
  }
  entry.axes = axes_;
  made_.push_back(std::move(entry));
}

void LayoutTable::note(const std::string& text) {
  if (std::ranges::find(contents_.notes, text) == contents_.notes.end()) contents_.notes.push_back(text);
}

void LayoutTable::compare_with_config(unsigned bits, std::uint64_t group_size) {
  const Json* stated = find_quantization(config());
  if (!stated && config().is_object()) stated = config().find("quantization");  // MLX's
  if (!stated || !stated->is_object() || !lacks_member(*stated, "dynamic")) return;
  const auto compare = [&](std::initializer_list<std::string_view> keys, std::uint64_t found, const char* what) {
    for (const std::string_view key : keys) {
      const Json* value = stated->find(key);
      if (!value || !value->is_integer() || !(value->as_double() > 0) || value->as_uint64() == found) continue;
      note(fmt::format("config.json says {} {} (quantization_config), and tensors have {}: the tensors count", key,
                       value->as_uint64(), fmt::format(fmt::runtime(what), found)));
    }
  };
  compare({"bits", "w_bit"}, bits, "{} bits");
  if (group_size) compare({"group_size", "q_group_size"}, group_size, "groups of {}");
}

void LayoutTable::finish() {
  by_name_ = {};
  std::erase_if(tensors_, [&](const TensorEntry& tensor) { return taken_.contains(tensor.name); });
  std::ranges::move(made_, std::back_inserter(tensors_));
  contents_.tensors = std::move(tensors_);
  for (const auto& [layout, found] : found_)
    note(fmt::format("{}: {} {} read as {}", layout, found.first, found.first == 1 ? "tensor is" : "tensors are",
                     found.second));
}

}  // namespace quern
