// Arbitrary bytes as the files of a statistics store: the index is refused, or survives being written and read again;
// the head of a Hessian is refused, or is that of a file of its size.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "calib/hessian_index.h"
#include "quern/error.h"

namespace {

void check_index(std::string_view text) {
  try {
    const quern::HessianIndex index = quern::parse_hessian_index(text);
    const std::string written = quern::dump_hessian_index(index);
    const quern::HessianIndex again = quern::parse_hessian_index(written);
    if (quern::content_hash(again) != quern::content_hash(index) || !difference(again.identity, index.identity).empty())
      __builtin_trap();
    for (const auto& [key, record] : index.shards)
      if (record.file_name().find('/') != std::string::npos || quern::shard_bytes(record.head) == 0) __builtin_trap();
  } catch (const quern::Error& error) {
    if (error.code() != quern::ErrorCode::kInput) __builtin_trap();
  }
}

// `file_bytes`: what the file is said to have.
void check_head(quern::ByteSpan bytes, std::uint64_t file_bytes) {
  try {
    const quern::ShardHead head = quern::parse_shard_head(bytes, file_bytes);
    if (quern::shard_bytes(head) != file_bytes) __builtin_trap();
    const std::vector<std::byte> written = quern::dump_shard_head(head);
    if (quern::parse_shard_head(written, file_bytes) != head) __builtin_trap();
  } catch (const quern::Error& error) {
    if (error.code() != quern::ErrorCode::kInput) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_index(std::string_view(reinterpret_cast<const char*>(data), size));
  const quern::ByteSpan bytes = std::as_bytes(std::span(data, size));
  check_head(bytes.first(std::min(size, quern::kMostHeadBytes)), size);
  if (size >= 48) check_head(bytes, size + quern::load<std::uint64_t>(data + 32));
  return 0;
}
