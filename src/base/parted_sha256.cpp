// Bytes go into the hash of the whole and of the part that they lie in while they are in the core's cache.
#include "base/parted_sha256.h"

#include <algorithm>

#include "base/file.h"

namespace quern {

void PartedSha256::end_part() {
  done_.push_back(part_.hex());
  part_ = Sha256();
}

void PartedSha256::update(ByteSpan bytes) {
  whole_.update(bytes);
  while (!bytes.empty() && done_.size() < parts_.size()) {
    const ByteRange part = parts_[done_.size()];
    if (at_ < part.begin) {
      const std::uint64_t before = std::min<std::uint64_t>(part.begin - at_, bytes.size());
      bytes = bytes.subspan(before);
      at_ += before;
      continue;
    }
    const std::uint64_t inside = std::min<std::uint64_t>(part.end - at_, bytes.size());
    part_.update(bytes.first(inside));
    bytes = bytes.subspan(inside);
    at_ += inside;
    if (at_ == part.end) end_part();
  }
  at_ += bytes.size();
}

std::string PartedSha256::hex() {
  while (done_.size() < parts_.size()) end_part();
  return whole_.hex();
}

std::vector<std::string> PartedSha256::parts() { return std::move(done_); }

PartedHashes parted_sha256_of_file(const std::filesystem::path& path, std::vector<ByteRange> parts) {
  constexpr std::uint64_t kRead = std::uint64_t{1} << 17;
  const File file(path);
  PartedSha256 hash(std::move(parts));
  std::vector<std::byte> buffer(kRead);
  for (std::uint64_t at = 0; at < file.size(); at += kRead) {
    const auto read = std::span(buffer).first(std::min(kRead, file.size() - at));
    file.read(at, read);
    hash.update(read);
  }
  PartedHashes hashes{hash.hex(), {}};
  hashes.parts = hash.parts();
  return hashes;
}

}  // namespace quern
