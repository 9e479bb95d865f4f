// Groups by a growing key: shape and encoding, then a checksum of the beginning, then the hash of everything.
#include "apps/duplicate_tensors.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/checksum.h"
#include "base/sha256.h"

namespace quern {
namespace {

constexpr std::uint64_t kBeginning = 4096;                // bytes
constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;  // read at once

using Group = std::vector<const TensorEntry*>;

std::uint64_t bytes_of(const Group& group) { return group.size() * group.front()->bytes(); }

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

std::string hash_of(const Checkpoint& checkpoint, const TensorEntry& entry) {
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
  return hash.hex();
}

template <typename Key>
std::vector<Group> split(const Group& group, Key key) {
  std::map<decltype(key(*group.front())), Group> by_key;
  for (const TensorEntry* entry : group) by_key.try_emplace(key(*entry)).first->second.push_back(entry);
  std::vector<Group> groups;
  for (auto& [value, members] : by_key)
    if (members.size() > 1) groups.push_back(std::move(members));
  return groups;
}

}  // namespace

DuplicateTensors find_duplicates(const Checkpoint& checkpoint, std::uint64_t byte_limit) {
  DuplicateTensors found;
  Group all;
  for (const TensorEntry& entry : checkpoint.tensors())
    if (entry.bytes() > 0) all.push_back(&entry);
  if (all.empty()) return found;
  std::uint64_t read = 0;
  const auto names = [](const Group& group, std::vector<std::string>& out) {
    for (const TensorEntry* entry : group) out.push_back(entry->name);
  };
  const auto kind = [](const TensorEntry& e) { return std::tie(e.shape, e.encoding); };
  const auto beginning = [&](const TensorEntry& e) { return beginning_of(checkpoint, e); };
  const auto whole = [&](const TensorEntry& e) { return hash_of(checkpoint, e); };
  for (const Group& alike : split(all, kind))
    for (const Group& begun : split(alike, beginning)) {
      if (bytes_of(begun) > byte_limit - read) {
        names(begun, found.unread);
        continue;
      }
      read += bytes_of(begun);
      for (const Group& same : split(begun, whole)) names(same, found.groups.emplace_back());
    }
  std::ranges::sort(found.groups);
  return found;
}

}  // namespace quern
