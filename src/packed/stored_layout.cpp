// Parts on their way into a file: direct ones are passed on as they arrive, others wait until they are whole, or for
// each other.
#include "packed/stored_layout.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/fail.h"

namespace quern {
namespace {

class EncodingWriter final : public CheckpointWriter {
 public:
  EncodingWriter(std::unique_ptr<CheckpointWriter> inner, std::vector<StoredLayout> layouts)
      : inner_(std::move(inner)), layouts_(std::move(layouts)) {
    std::size_t tensors = 0;
    for (const StoredLayout& layout : layouts_) {
      first_.push_back(tensors);
      tensors += layout.tensors.size();
    }
    for (std::size_t t = 0; t < layouts_.size(); ++t)
      for (const auto& [index, content] : layouts_[t].constants) inner_->write(first_[t] + index, 0, 0, content);
  }

  void write(std::size_t tensor, std::size_t part, std::uint64_t offset, std::span<const std::byte> bytes) override {
    ensure(tensor < layouts_.size(), "tensor {} of {} was written", tensor, layouts_.size());
    const StoredLayout& layout = layouts_[tensor];
    ensure(part < layout.parts.size(), "part {} of {} of tensor {} was written", part, layout.parts.size(),
           layout.tensors[0].name);
    const StoredPart& target = layout.parts[part];
    if (!target.encode && !layout.encode_together)
      return inner_->write(first_[tensor] + target.tensors[0], 0, offset, bytes);
    ensure(offset <= target.bytes && bytes.size() <= target.bytes - offset,
           "{} bytes were written at {} of part {} of {}, which has {} bytes", bytes.size(), offset, part,
           layout.tensors[0].name, target.bytes);
    collect(tensor, part, offset, bytes);
  }

  void keep(std::size_t tensor) override {
    ensure(tensor < layouts_.size(), "tensor {} of {} was kept", tensor, layouts_.size());
    for (std::size_t i = 0; i < layouts_[tensor].tensors.size(); ++i) inner_->keep(first_[tensor] + i);
  }

  std::vector<SettledFile> settled() override { return inner_->settled(); }

  void finish() override {
    ensure(pending_.empty(), "{} parts are incomplete, the first of tensor {}", pending_.size(),
           pending_.empty() ? 0 : pending_.begin()->first.first);
    inner_->finish();  // notices parts that were never begun
  }

 private:
  struct Pending {
    std::vector<std::byte> bytes;
    std::uint64_t written = 0;
  };

  void collect(std::size_t tensor, std::size_t part, std::uint64_t offset, std::span<const std::byte> bytes) {
    const StoredPart& target = layouts_[tensor].parts[part];
    const std::lock_guard lock(mutex_);
    Pending& pending = pending_[{tensor, part}];
    pending.bytes.resize(target.bytes);
    std::ranges::copy(bytes, pending.bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    pending.written += bytes.size();
    if (pending.written < target.bytes) return;
    if (layouts_[tensor].encode_together) return write_together(tensor);
    const std::vector<std::vector<std::byte>> encoded = target.encode(pending.bytes);
    ensure(encoded.size() == target.tensors.size(), "part {} became {} tensors, not {}", part, encoded.size(),
           target.tensors.size());
    for (std::size_t i = 0; i < encoded.size(); ++i)
      inner_->write(first_[tensor] + target.tensors[i], 0, 0, encoded[i]);
    pending_.erase({tensor, part});
  }

  // All stored tensors of one, once none of its parts misses anything.
  void write_together(std::size_t tensor) {
    const StoredLayout& layout = layouts_[tensor];
    for (std::size_t p = 0; p < layout.parts.size(); ++p) {
      const auto pending = pending_.find({tensor, p});
      if (pending == pending_.end() || pending->second.written < layout.parts[p].bytes) return;
    }
    std::vector<std::vector<std::byte>> parts;
    for (std::size_t p = 0; p < layout.parts.size(); ++p)
      parts.push_back(std::move(pending_.extract({tensor, p}).mapped().bytes));
    const std::vector<std::vector<std::byte>> encoded = layout.encode_together(parts);
    ensure(encoded.size() == layout.tensors.size(), "{} became {} tensors, not {}", layout.tensors[0].name,
           encoded.size(), layout.tensors.size());
    for (std::size_t i = 0; i < encoded.size(); ++i) inner_->write(first_[tensor] + i, 0, 0, encoded[i]);
  }

  std::unique_ptr<CheckpointWriter> inner_;
  std::vector<StoredLayout> layouts_;
  std::vector<std::size_t> first_;  // stored tensor of each tensor
  std::mutex mutex_;                // guards pending_
  std::map<std::pair<std::size_t, std::size_t>, Pending> pending_;
};

}  // namespace

std::size_t StoredLayout::add(std::string name, std::string_view encoding, Shape shape) {
  const SafetensorsType* type = find_safetensors_encoding(encoding);
  ensure(type != nullptr, "safetensors has no {}", encoding);
  const std::uint64_t bytes = safetensors_bytes(*type, shape);
  tensors.push_back({std::move(name), type, std::move(shape), 0, bytes});
  return tensors.size() - 1;
}

void StoredLayout::add_part(std::string name, std::string_view encoding, Shape shape) {
  const std::size_t index = add(std::move(name), encoding, std::move(shape));
  parts.push_back({tensors[index].bytes, {index}, nullptr});
}

void StoredLayout::add_constant(std::string name, std::string_view encoding, Shape shape,
                                std::span<const std::byte> content) {
  const std::size_t index = add(std::move(name), encoding, std::move(shape));
  ensure(content.size() == tensors[index].bytes, "{} takes {} bytes, not {}", tensors[index].name, tensors[index].bytes,
         content.size());
  constants.emplace_back(index, std::vector<std::byte>(content.begin(), content.end()));
}

std::unique_ptr<CheckpointWriter> make_encoding_writer(std::unique_ptr<CheckpointWriter> inner,
                                                       std::vector<StoredLayout> layouts) {
  return std::make_unique<EncodingWriter>(std::move(inner), std::move(layouts));
}

}  // namespace quern
