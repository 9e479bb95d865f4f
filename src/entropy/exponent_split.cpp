// Values to planes, planes to the bytes of a row.
//
//   bytes                             content
//   count a plane without a table     the planes as they are, in order, without their first 2 * c bytes
//   the rest                          a rANS stream of the planes with a table, in order, that carries those
//                                     2 * c bytes
//
// c is one less than the stream's lanes, or less if there are not so many bytes. A row that would not be shorter than
// its values is stored as they are: it is known by its size.
#include "entropy/exponent_split.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>

#include "base/fail.h"

namespace quern {
namespace {

// Bits from the top: sign, 8 bits, 7 bits, the rest; and the same with the sign behind the 8 bits.
template <typename Word>
struct SignBit {
  static constexpr int kBits = 8 * sizeof(Word);
  static constexpr Word kBehind = Word{1} << (kBits - 9), kRest = kBehind - 1, kTop = Word(0xff) << (kBits - 8);

  static Word moved(Word v) { return static_cast<Word>((v << 1 & kTop) | (v >> 8 & kBehind) | (v & kRest)); }
  static Word restored(Word v) { return static_cast<Word>((v & kBehind) << 8 | (v & kTop) >> 1 | (v & kRest)); }
};

template <typename Word>
void split(const std::byte* values, std::size_t count, std::uint8_t* __restrict planes) {
  for (std::size_t k = 0; k < count; ++k) {
    const Word word = SignBit<Word>::moved(load<Word>(values + k * sizeof(Word)));
    for (std::size_t p = 0; p < sizeof(Word); ++p)
      planes[p * count + k] = static_cast<std::uint8_t>(word >> 8 * (sizeof(Word) - 1 - p));
  }
}

template <typename Word>
void join(const std::uint8_t* planes, std::size_t count, std::byte* __restrict values) {
  for (std::size_t k = 0; k < count; ++k) {
    Word word = 0;
    for (std::size_t p = 0; p < sizeof(Word); ++p) word = static_cast<Word>(word << 8 | planes[p * count + k]);
    store(values + k * sizeof(Word), SignBit<Word>::restored(word));
  }
}

template <typename Word>
constexpr LosslessKind kind_of(const char* name) {
  return {.name = name, .value_bytes = sizeof(Word), .split = split<Word>, .join = join<Word>};
}

constexpr std::array kKinds = {kind_of<std::uint16_t>("bf16"), kind_of<std::uint16_t>("f16"),
                               kind_of<std::uint32_t>("f32")};

constexpr double kMostBits = 7.75;  // a byte, for a plane to be coded
constexpr std::size_t kCountedTogether = 4096;

std::size_t count_of(const LosslessKind& kind, std::size_t bytes) {
  ensure(bytes % kind.value_bytes == 0, "{} bytes are no whole {} values", bytes, kind.name);
  return bytes / kind.value_bytes;
}

// Four partial counts: neighbours are often equal, and adding twice to one number takes the time of a store and a load.
void count_bytes(std::span<const std::uint8_t> bytes, SymbolCounts& counts) {
  std::array<std::array<std::uint32_t, 256>, 4> partial{};
  const std::size_t whole = bytes.size() / 4 * 4;
  for (std::size_t k = 0; k < whole; k += 4)
    for (std::size_t j = 0; j < 4; ++j) ++partial[j][bytes[k + j]];
  for (std::size_t k = whole; k < bytes.size(); ++k) ++partial[0][bytes[k]];
  for (std::size_t s = 0; s < 256; ++s)
    counts[s] += std::uint64_t{partial[0][s]} + partial[1][s] + partial[2][s] + partial[3][s];
}

// The planes of a row in memory; those without a table once more, one after the other.
struct RowPlanes {
  RowPlanes(const LosslessTable& row_table, std::size_t values) : table(row_table), count(values) {
    std::size_t symbols = 0;
    for (const auto& plane : table.planes) (plane ? symbols : plain_bytes) += count;
    carried_bytes = 2 * std::min(rans_lanes(symbols) - 1, plain_bytes / 2);
    all = std::make_unique_for_overwrite<std::uint8_t[]>(symbols + plain_bytes);
    plain = std::make_unique_for_overwrite<std::uint8_t[]>(plain_bytes);
  }

  std::span<std::uint16_t> carried_numbers() { return {carried.data(), carried_bytes / 2}; }

  void gather_plain() {
    std::uint8_t* to = plain.get();
    for (std::size_t p = 0; p < table.planes.size(); ++p)
      if (!table.planes[p]) to = std::copy_n(all.get() + p * count, count, to);
    std::copy_n(plain.get(), carried_bytes, reinterpret_cast<std::uint8_t*>(carried.data()));
  }

  void scatter_plain() {
    std::copy_n(reinterpret_cast<const std::uint8_t*>(carried.data()), carried_bytes, plain.get());
    const std::uint8_t* from = plain.get();
    for (std::size_t p = 0; p < table.planes.size(); ++p) {
      if (!table.planes[p]) {
        std::copy_n(from, count, all.get() + p * count);
        from += count;
      }
    }
  }

  template <typename Run>
  std::vector<Run> runs() {
    std::vector<Run> out;
    for (std::size_t p = 0; p < table.planes.size(); ++p)
      if (table.planes[p]) out.push_back({&*table.planes[p], {all.get() + p * count, count}});
    return out;
  }

  const LosslessTable& table;
  std::size_t count, plain_bytes = 0, carried_bytes;
  std::unique_ptr<std::uint8_t[]> all, plain;
  std::array<std::uint16_t, kMostRansLanes - 1> carried;
};

bool codes_nothing(const LosslessTable& table) {
  return std::ranges::none_of(table.planes, [](const auto& plane) { return plane.has_value(); });
}

}  // namespace

std::span<const LosslessKind> lossless_kinds() { return kKinds; }

const LosslessKind* find_lossless_kind(std::string_view name) {
  const auto found = std::ranges::find_if(kKinds, [&](const LosslessKind& kind) { return kind.name == name; });
  return found == kKinds.end() ? nullptr : &*found;
}

void count_values(ByteSpan values, LosslessCounts& counts) {
  const LosslessKind& kind = *counts.kind;
  const std::size_t total = count_of(kind, values.size());
  std::vector<std::uint8_t> planes(kCountedTogether * kind.value_bytes);
  for (std::size_t first = 0; first < total; first += kCountedTogether) {
    const std::size_t count = std::min(kCountedTogether, total - first);
    kind.split(values.data() + first * kind.value_bytes, count, planes.data());
    for (std::size_t p = 0; p < kind.value_bytes; ++p)
      count_bytes({planes.data() + p * count, count}, counts.planes[p]);
  }
}

void merge_counts(const LosslessCounts& from, LosslessCounts& into) {
  ensure(from.kind == into.kind, "counts of {} added to counts of {}", from.kind->name, into.kind->name);
  for (std::size_t p = 0; p < into.planes.size(); ++p)
    for (std::size_t s = 0; s < 256; ++s) into.planes[p][s] += from.planes[p][s];
}

LosslessTable train_lossless(const LosslessCounts& counts) {
  LosslessTable table{.kind = counts.kind, .planes = {}};
  for (const SymbolCounts& plane : counts.planes) {
    FrequencyTable frequencies = FrequencyTable::from_counts(plane);
    const auto total = static_cast<double>(std::accumulate(plane.begin(), plane.end(), std::uint64_t{0}));
    const auto table_bits = 8 * static_cast<double>(frequencies.serialise().size());
    const bool is_coded = frequencies.expected_bits(plane) + table_bits < kMostBits * total;
    table.planes.push_back(is_coded ? std::optional(std::move(frequencies)) : std::nullopt);
  }
  return table;
}

std::vector<std::byte> serialise_lossless(const LosslessTable& table) {
  std::vector<std::byte> out;
  for (const auto& plane : table.planes) {
    const std::vector<std::byte> bytes = plane ? plane->serialise() : std::vector<std::byte>();
    const auto size = static_cast<std::uint16_t>(bytes.size());
    out.resize(out.size() + sizeof(size));
    store(out.data() + out.size() - sizeof(size), size);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return out;
}

LosslessTable parse_lossless(const LosslessKind& kind, ByteSpan bytes) {
  LosslessTable table{.kind = &kind, .planes = {}};
  for (std::size_t p = 0; p < kind.value_bytes; ++p) {
    if (bytes.size() < sizeof(std::uint16_t)) fail(ErrorCode::kInput, "the tables of {} values end early", kind.name);
    const std::size_t size = load<std::uint16_t>(bytes.data());
    bytes = bytes.subspan(sizeof(std::uint16_t));
    if (size > bytes.size()) fail(ErrorCode::kInput, "the tables of {} values end early", kind.name);
    table.planes.push_back(size == 0 ? std::nullopt : std::optional(FrequencyTable::parse(bytes.first(size))));
    bytes = bytes.subspan(size);
  }
  if (!bytes.empty())
    fail(ErrorCode::kInput, "the tables of {} values have {} bytes too many", kind.name, bytes.size());
  return table;
}

std::size_t encode_lossless_row(const LosslessTable& table, ByteSpan values, std::vector<std::byte>& out) {
  const LosslessKind& kind = *table.kind;
  const std::size_t count = count_of(kind, values.size()), start = out.size();
  if (!codes_nothing(table)) {
    RowPlanes planes(table, count);
    kind.split(values.data(), count, planes.all.get());
    planes.gather_plain();
    const auto plain = std::as_bytes(std::span(planes.plain.get(), planes.plain_bytes)).subspan(planes.carried_bytes);
    out.insert(out.end(), plain.begin(), plain.end());
    rans_encode(planes.runs<SymbolRun>(), planes.carried_numbers(), out);
    if (out.size() - start < values.size()) return out.size() - start;
    out.resize(start);
  }
  out.insert(out.end(), values.begin(), values.end());
  return values.size();
}

void decode_lossless_row(const LosslessTable& table, ByteSpan coded, std::span<std::byte> values) {
  const LosslessKind& kind = *table.kind;
  const std::size_t count = count_of(kind, values.size());
  if (coded.size() == values.size()) {
    std::ranges::copy(coded, values.begin());
    return;
  }
  RowPlanes planes(table, count);
  const std::size_t plain = planes.plain_bytes - planes.carried_bytes;
  if (codes_nothing(table) || coded.size() > values.size() || coded.size() < plain)
    fail(ErrorCode::kInput, "{} bytes are no coded row of {} {} values", coded.size(), count, kind.name);
  rans_decode(coded.subspan(plain), planes.runs<DecodedRun>(), planes.carried_numbers());
  std::memcpy(planes.plain.get() + planes.carried_bytes, coded.data(), plain);
  planes.scatter_plain();
  kind.join(planes.all.get(), count, values.data());
}

}  // namespace quern
