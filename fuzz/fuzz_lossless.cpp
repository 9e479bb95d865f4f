// Any bytes as tables and a row of the lossless coder, and as values: what is coded comes back.
//
//   byte 0       kind; bytes 1..2: values of the row; bytes 3..4: bytes of the tables; the tables; the row
#include <algorithm>
#include <vector>

#include "base/fail.h"
#include "entropy/exponent_split.h"

using namespace quern;

namespace {

constexpr std::size_t kHeader = 5, kMostValues = 8192;

// Tables and a row made of any bytes; tables that are accepted are those that would be written.
void decode_bytes(const LosslessKind& kind, ByteSpan data) {
  const std::size_t count = load<std::uint16_t>(data.data() + 1) % kMostValues;
  const std::size_t table_bytes = std::min<std::size_t>(load<std::uint16_t>(data.data() + 3), data.size() - kHeader);
  const ByteSpan tables = data.subspan(kHeader, table_bytes), row = data.subspan(kHeader + table_bytes);
  const LosslessTable table = parse_lossless(kind, tables);
  ensure(std::ranges::equal(serialise_lossless(table), tables), "tables changed by parsing");
  std::vector<std::byte> values(count * kind.value_bytes), coded;
  encode_lossless_row(table, values, coded);
  decode_lossless_row(table, row, values);
}

void encode_values(const LosslessKind& kind, ByteSpan data) {
  const ByteSpan values = data.first(std::min(data.size(), kMostValues) / kind.value_bytes * kind.value_bytes);
  LosslessCounts counts(kind);
  count_values(values.first(values.size() / kind.value_bytes / 2 * kind.value_bytes), counts);
  const LosslessTable table = train_lossless(counts);
  std::vector<std::byte> coded, decoded(values.size());
  const std::size_t size = encode_lossless_row(table, values, coded);
  ensure(size == coded.size() && size <= values.size(), "a row of {} bytes from {}", size, values.size());
  decode_lossless_row(table, coded, decoded);
  ensure(std::ranges::equal(decoded, values), "a row that does not come back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < kHeader) return 0;
  const auto bytes = std::as_bytes(std::span(data, size));
  const LosslessKind& kind = lossless_kinds()[data[0] % lossless_kinds().size()];
  encode_values(kind, bytes.subspan(kHeader));
  try {
    decode_bytes(kind, bytes);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInput) throw;
  }
  return 0;
}
