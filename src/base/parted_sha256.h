// SHA-256 of a stream, and of some runs of its bytes, in one reading.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/sha256.h"

namespace quern {

struct ByteRange {
  std::uint64_t begin = 0, end = 0;
};

class PartedSha256 {
 public:
  // REQUIRES: in order, and none overlaps another.
  explicit PartedSha256(std::vector<ByteRange> parts = {}) : parts_(std::move(parts)) {}

  void update(ByteSpan bytes);
  // Of everything. Call once, here and below; parts() needs it to have been called.
  std::string hex();
  // One a part, in their order. A part that the stream ended before is hashed as far as it was there.
  std::vector<std::string> parts();

 private:
  void end_part();

  std::vector<ByteRange> parts_;
  std::vector<std::string> done_;
  Sha256 whole_, part_;
  std::uint64_t at_ = 0;
};

struct PartedHashes {
  std::string whole;
  std::vector<std::string> parts;
};
// Of a file.
PartedHashes parted_sha256_of_file(const std::filesystem::path& path, std::vector<ByteRange> parts);

}  // namespace quern
