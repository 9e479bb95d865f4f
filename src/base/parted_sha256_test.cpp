// Parts are hashed as if they stood alone, however the stream is cut.
#include "base/parted_sha256.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace quern {
namespace {

std::string text_of(std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>('a' + i * i % 23);
  return text;
}

std::string hash_of(std::string_view text) { return sha256_of(std::as_bytes(std::span(text))); }

TEST(PartedSha256, HashesPartsAndWholeInAnyCut) {
  const std::string text = text_of(100);
  const std::vector<ByteRange> ranges = {{0, 7}, {7, 7}, {7, 30}, {64, 100}};
  for (const std::size_t cut : {1u, 3u, 7u, 29u, 100u}) {
    PartedSha256 hash(ranges);
    for (std::size_t at = 0; at < text.size(); at += cut)
      hash.update(std::as_bytes(std::span(text)).subspan(at, std::min(cut, text.size() - at)));
    EXPECT_EQ(hash.hex(), hash_of(text));
    const std::vector<std::string> parts = hash.parts();
    ASSERT_EQ(parts.size(), ranges.size());
    for (std::size_t i = 0; i < ranges.size(); ++i)
      EXPECT_EQ(parts[i], hash_of(text.substr(ranges[i].begin, ranges[i].end - ranges[i].begin))) << cut << " " << i;
  }
}

TEST(PartedSha256, OfAStreamThatEndsEarlyHasEveryPart) {
  PartedSha256 hash({{0, 4}, {4, 90}, {95, 99}});
  const std::string text = text_of(10);
  hash.update(std::as_bytes(std::span(text)));
  EXPECT_EQ(hash.hex(), hash_of(text));
  EXPECT_EQ(hash.parts(), (std::vector<std::string>{hash_of(text.substr(0, 4)), hash_of(text.substr(4)), hash_of("")}));
}

}  // namespace
}  // namespace quern
