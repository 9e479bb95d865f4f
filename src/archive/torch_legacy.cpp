// Before PyTorch 1.6, and with _use_new_zipfile_serialization=False since: pickles one behind the other,
//
//   0x1950a86a20f9469cfc6c, a mark; 1001, the version; {"protocol_version", "little_endian", "type_sizes"};
//   the object, with persistent ids ("storage", type, KEY, device, elements, part of it or None);
//   [KEY, KEY ...]
//
// and then, in the order of these keys, of each storage 8 bytes with the number of its elements, and the elements.
#include <algorithm>

#include "archive/torch_file.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/printable.h"

namespace quern {
namespace {

using Kind = PickleNode::Kind;

constexpr std::string_view kMark("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr std::string_view kBeginning("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14);
constexpr std::int64_t kVersion = 1001;
constexpr std::uint64_t kFirstWindow = 1 << 16, kMostWindow = std::uint64_t{1} << 28;

// Pickles from the beginning of a file on. How long one is shows only when it is read, so that more and more is tried.
class PickleSequence {
 public:
  explicit PickleSequence(const File& file) : file_(file) {}

  struct Next {
    std::vector<std::byte> bytes;
    Pickle pickle;  // of these
  };
  Next next() {
    for (std::uint64_t window = kFirstWindow;; window *= 4) {
      const std::uint64_t size = std::min(window, file_.size() - at_);
      std::vector<std::byte> bytes(size);
      file_.read(at_, bytes);
      if (std::optional<Pickle> pickle = read_pickle(bytes)) {
        at_ += pickle->bytes();
        return {std::move(bytes), std::move(*pickle)};
      }
      if (size < window) fail(ErrorCode::kInput, "the pickle at byte {} is cut short: download the file again", at_);
      if (window >= kMostWindow) fail(ErrorCode::kInput, "the pickle at byte {} has more than {} bytes", at_, window);
    }
  }
  std::uint64_t at() const noexcept { return at_; }

 private:
  const File& file_;
  std::uint64_t at_ = 0;
};

void check_mark(const PickleNode& mark, const PickleNode& version) {
  if (mark.kind != Kind::kBigInteger || mark.text != kMark) fail(ErrorCode::kInput, "it does not begin with the mark");
  if (version.kind != Kind::kInteger || version.integer != kVersion)
    fail(ErrorCode::kInput, "it is not of version {} of the format", kVersion);
}

StridedLayout::Order order_of(const Pickle& system) {
  const PickleNode* little = system.find(system.root(), "little_endian");
  const bool is_big = little && little->kind == Kind::kBool && !little->integer;
  return is_big ? StridedLayout::Order::kBigEndian : StridedLayout::Order::kLittleEndian;
}

std::unordered_map<std::string, TorchStorage> storages_of(const Pickle& pickle) {
  std::unordered_map<std::string, TorchStorage> found;
  for (const PickleNode& node : pickle.nodes())
    if (auto storage = torch_storage_of(pickle, node)) found.emplace(storage->key, *storage);
  return found;
}

// The runs of the storages, which begin at `at`.
std::unordered_map<std::string, ByteRun> locate(const File& file, std::uint64_t at, const Pickle& keys,
                                                const std::unordered_map<std::string, TorchStorage>& storages) {
  std::unordered_map<std::string, ByteRun> runs;
  if (keys.root().kind != Kind::kList) fail(ErrorCode::kInput, "the keys of its storages are no list");
  for (const PickleId id : keys.root().items) {
    const auto storage = storages.find(std::string(keys[id].text));
    if (keys[id].kind != Kind::kText || storage == storages.end())
      fail(ErrorCode::kInput, "no tensor lies in storage \"{}\"", printable_line(keys[id].text));
    const auto bytes = checked_mul(storage->second.elements, storage->second.element_bytes());
    std::byte head[8];
    if (!bytes || file.size() - at < sizeof head || *bytes > file.size() - at - sizeof head)
      fail(ErrorCode::kInput,
           "storage {} at byte {} has {} elements, but the file ends at {}; it is cut short: download it again",
           storage->first, at, storage->second.elements, file.size());
    file.read(at, head);
    if (load<std::uint64_t>(head) != storage->second.elements)
      fail(ErrorCode::kInput, "storage {} has {} elements, and is said to have {}", storage->first,
           load<std::uint64_t>(head), storage->second.elements);
    runs.emplace(storage->first, ByteRun{at + sizeof head, *bytes});
    at += sizeof head + *bytes;
  }
  return runs;
}

}  // namespace

bool is_legacy_torch_file(const File& file) {
  std::byte head[kBeginning.size()];
  if (file.size() < sizeof head) return false;
  file.read(0, head);
  return std::ranges::equal(std::as_bytes(std::span(kBeginning)), head);
}

TorchFile read_legacy_torch_file(const File& file) {
  return with_context(fmt::format("while reading {}", file.path().string()), [&] {
    PickleSequence pickles(file);
    const auto mark = pickles.next(), version = pickles.next(), system = pickles.next();
    check_mark(mark.pickle.root(), version.pickle.root());
    const auto object = pickles.next(), keys = pickles.next();
    return TorchFile{find_state_dict(object.pickle),
                     locate(file, pickles.at(), keys.pickle, storages_of(object.pickle)), order_of(system.pickle)};
  });
}

}  // namespace quern
