// Any bytes decode in every codec, and any floats encode in it; finite weights stay finite.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "codec/packed_tensor.h"

using namespace quern;

namespace {

constexpr std::size_t kMostWeights = 1024;
constexpr std::size_t kSomeColumns = 96;   // of every unit
constexpr std::size_t kMostSearched = 24;  // where a search over all seeds takes milliseconds a vector

// The first half of the bytes as side information of a tensor, the second as a row.
void unpack_bytes(const Codec& codec, std::span<const std::byte> bytes) {
  const auto side = bytes.first(bytes.size() / 2), row = bytes.subspan(bytes.size() / 2);
  std::shared_ptr<const Codec> trained(std::shared_ptr<const Codec>(), &codec);
  if (codec.train) trained = trained_codec(codec, codec.load_tensor_side(codec, side));
  std::vector<float> out(std::min(bytes.size(), kMostWeights) / codec.granule * codec.granule);
  codec.unpack_row(*trained, row, out);
}

// The bytes as one row of as many weights as they suffice for.
void decode_row_of(const Codec& codec, std::span<const std::byte> bytes) {
  const std::size_t unit = codec.row_unit();
  std::size_t cols = 0;
  while (cols + unit <= kMostWeights && codec.row_bytes(cols + unit) <= bytes.size()) cols += unit;
  if (cols == 0) return;
  ConstPlanePointers planes{bytes.data()};
  for (std::size_t p = 1; p < codec.planes.size(); ++p) planes[p] = planes[p - 1] + codec.plane_row_bytes(p - 1, cols);
  std::vector<float> out(cols * codec.stripe);
  decode_row(codec, planes, out);
}

// The first bytes as side information of a tensor of up to 100 columns (one of outliers), the others as a row.
void decode_trained(const Codec& codec, std::span<const std::byte> bytes) {
  const std::size_t side = trained_on(codec, {nullptr, 0, kSomeColumns, kSomeColumns})->tensor_side->serialise().size();
  if (bytes.size() < side) return;
  const auto trained = trained_codec(codec, codec.load_tensor_side(codec, bytes.first(side)));
  decode_row_of(*trained, bytes.subspan(side));
}

void decode_bytes(const Codec& codec, std::span<const std::byte> bytes) try {
  if (codec.is_measured()) return unpack_bytes(codec, bytes);
  codec.train ? decode_trained(codec, bytes) : decode_row_of(codec, bytes);
} catch (const Error& error) {
  if (error.code() != ErrorCode::kInput) throw;
}

void encode_floats(const Codec& codec, std::span<const float> floats) {
  const std::size_t most = codec.round_rows ? std::min(kMostSearched, floats.size()) : floats.size(),
                    cols = most / codec.row_unit() * codec.row_unit();
  if (cols == 0) return;
  const auto weights = floats.first(cols);
  const std::vector<float> importance(weights.rbegin(), weights.rend());
  for (const std::span<const float> columns : {std::span<const float>(), std::span<const float>(importance)}) {
    const PackedTensor packed = encode_tensor(codec, {weights.data(), 1, cols, cols}, columns);
    std::vector<float> decoded(cols);
    decode_rows(packed.codec(), packed.row(0), 0, {decoded.data(), 1, cols, cols});
    const auto in_range = [](float value) { return std::abs(value) < 1e4f; };
    ensure(!std::ranges::all_of(weights, in_range) ||
               std::ranges::all_of(decoded, [](float value) { return std::isfinite(value); }),
           "{} made a value that is not finite from weights that are", codec.name);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  std::vector<float> floats(std::min(size / sizeof(float), kMostWeights));
  if (!floats.empty()) std::memcpy(floats.data(), data, floats.size() * sizeof(float));
  for (const Codec* codec : codecs()) {
    decode_bytes(*codec, bytes);
    encode_floats(*codec, floats);
  }
  for (const Codec* codec : read_only_codecs()) decode_bytes(*codec, bytes);
  return 0;
}
