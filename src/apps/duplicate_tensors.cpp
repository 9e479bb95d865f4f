// Groups by a growing key: shape and encoding, then a checksum of the beginning, then the hash of everything.
#include "apps/duplicate_tensors.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <tuple>
#include <utility>

#include "base/checksum.h"
#include "base/sha256.h"

namespace quern {
namespace {

constexpr std::uint64_t kBeginning = 4096;                // bytes
constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;  // read at once

using Group = std::span<const TensorEntry*>;
using Digest = std::array<std::uint64_t, 2>;

std::uint64_t bytes_of(Group group) { return group.size() * group.front()->bytes(); }

// Of the first bytes of each part.
std::uint64_t beginning_of(const Checkpoint& checkpoint, const TensorEntry& entry) {
  std::vector<std::byte> bytes;
  for (std::size_t part = 0; part < entry.parts.size(); ++part) {
    const std::size_t at = bytes.size();
    bytes.resize(at + std::min(kBeginning, entry.parts[part].bytes));
    checkpoint.read(entry, part, 0, std::span(bytes).subspan(at));
  }
  return checksum_of(bytes);
}

// Of all bytes the first 128 bits of the SHA-256.
Digest hash_of(const Checkpoint& checkpoint, const TensorEntry& entry) {
  Sha256 hash;
  std::vector<std::byte> buffer;
  for (std::size_t part = 0; part < entry.parts.size(); ++part) {
    const std::uint64_t bytes = entry.parts[part].bytes;
    for (std::uint64_t at = 0; at < bytes; at += kPiece) {
      buffer.resize(std::min(kPiece, bytes - at));
      checkpoint.read(entry, part, at, buffer);
      hash.update(buffer);
    }
  }
  const std::string digits = hash.hex();
  return {std::stoull(digits.substr(0, 16), nullptr, 16), std::stoull(digits.substr(16, 16), nullptr, 16)};
}

// Calls use() with each run of two or more neighbours that are `alike`.
template <typename Alike, typename Use>
void for_each_run(Group group, Alike alike, Use use) {
  for (std::size_t first = 0, last = 0; first < group.size(); first = last) {
    while (last < group.size() && alike(first, last)) ++last;
    if (last - first > 1) use(group.subspan(first, last - first));
  }
}

// The same with each run of equal keys, in their order, once the group is sorted by them. Places in the table break
// ties, which are in the order of names. The keys are not kept while use() runs.
template <typename Key, typename Use>
void split(Group group, Key key, Use use) {
  std::vector<Group> runs;
  {
    std::vector<std::pair<decltype(key(*group.front())), const TensorEntry*>> keyed;
    keyed.reserve(group.size());
    for (const TensorEntry* entry : group) keyed.emplace_back(key(*entry), entry);
    std::ranges::sort(keyed);
    std::ranges::transform(keyed, group.begin(), [](const auto& pair) { return pair.second; });
    for_each_run(
        group, [&](std::size_t a, std::size_t b) { return keyed[a].first == keyed[b].first; },
        [&](Group run) { runs.push_back(run); });
  }
  for (const Group run : runs) use(run);
}

}  // namespace

DuplicateTensors find_duplicates(const Checkpoint& checkpoint, std::uint64_t byte_limit) {
  DuplicateTensors found;
  std::vector<const TensorEntry*> all;
  all.reserve(checkpoint.tensors().size());
  for (const TensorEntry& entry : checkpoint.tensors())
    if (entry.bytes() > 0) all.push_back(&entry);
  const auto kind = [](const TensorEntry* e) { return std::tie(e->shape, e->encoding); };
  std::ranges::sort(all, [&](const TensorEntry* a, const TensorEntry* b) {
    return std::tuple_cat(kind(a), std::tuple(a)) < std::tuple_cat(kind(b), std::tuple(b));
  });
  std::uint64_t read = 0;
  const auto compare = [&](Group begun) {
    if (bytes_of(begun) > byte_limit - read) {
      found.unread.insert(found.unread.end(), begun.begin(), begun.end());
      return;
    }
    read += bytes_of(begun);
    split(
        begun, [&](const TensorEntry& e) { return hash_of(checkpoint, e); },
        [&](Group same) { found.groups.emplace_back(same.begin(), same.end()); });
  };
  for_each_run(
      all, [&](std::size_t a, std::size_t b) { return kind(all[a]) == kind(all[b]); },
      [&](Group alike) { split(alike, [&](const TensorEntry& e) { return beginning_of(checkpoint, e); }, compare); });
  std::ranges::sort(found.groups);
  return found;
}

}  // namespace quern
