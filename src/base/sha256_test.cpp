// Vectors of FIPS 180-4's examples.
#include "base/sha256.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "quern/error.h"

namespace quern {
namespace {

ByteSpan bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

constexpr const char* kMillionA = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256, StandardVectors) {
  EXPECT_EQ(sha256_of(bytes_of("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_of(bytes_of("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_of(bytes_of(std::string(1000000, 'a'))), kMillionA);
}

TEST(Sha256, PiecesHashAsTheWhole) {
  Sha256 hash;
  const std::string piece(999, 'a');
  for (int i = 0; i < 1001; ++i) hash.update(bytes_of(piece));
  hash.update(bytes_of("a"));
  EXPECT_EQ(hash.hex(), kMillionA);  // 999 * 1001 + 1
}

TEST(Sha256, FilesLargerThanOneChunk) {
  const std::string path = testing::TempDir() + "quern_sha256_test";
  const std::string content(3000000, 'x');
  std::ofstream(path) << content;
  EXPECT_EQ(sha256_of_file(path), sha256_of(bytes_of(content)));
  std::filesystem::remove(path);
  EXPECT_THROW(sha256_of_file(path), Error);
}

}  // namespace
}  // namespace quern
