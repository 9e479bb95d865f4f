// Integers to floats while reading.
#include "archive/quantized_part.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/fail.h"
#include "checkpoint/byte_run.h"

namespace quern {
namespace {

constexpr std::uint64_t kBatch = std::uint64_t{1} << 16;  // integers

using IntegerAt = std::int64_t (*)(const std::byte*);
template <typename T>
std::int64_t integer_at(const std::byte* from) {
  return load<T>(from);
}

struct IntegerType {
  std::string_view encoding;
  std::uint64_t bytes;
  IntegerAt at;
};
constexpr IntegerType kIntegers[] = {
    {"i8", 1, integer_at<std::int8_t>}, {"u8", 1, integer_at<std::uint8_t>}, {"i32", 4, integer_at<std::int32_t>}};

class QuantizedDecoder final : public PartDecoder {
 public:
  QuantizedDecoder(TensorPart integers, const IntegerType& type, float scale, std::int64_t zero)
      : integers_(std::move(integers)), type_(type), scale_(scale), zero_(zero) {}

  std::uint64_t stored_bytes() const override {
    return integers_.decoder ? integers_.decoder->stored_bytes() : integers_.bytes;
  }
  void read(const File& file, std::uint64_t offset, std::span<std::byte> out) const override {
    std::vector<std::byte> stored;
    std::vector<float> values;
    for (std::uint64_t done = 0; done < out.size();) {
      const std::uint64_t first = (offset + done) / sizeof(float), skipped = (offset + done) % sizeof(float);
      const std::uint64_t wanted = std::min<std::uint64_t>(kBatch * sizeof(float), skipped + out.size() - done);
      const std::uint64_t count = round_up(wanted, sizeof(float)) / sizeof(float);
      stored.resize(count * type_.bytes);
      read_part(file, integers_, first * type_.bytes, stored);
      values.resize(count);
      for (std::uint64_t i = 0; i < count; ++i)
        values[i] = scale_ * static_cast<float>(type_.at(&stored[i * type_.bytes]) - zero_);
      const auto bytes = std::as_bytes(std::span(values)).subspan(skipped, wanted - skipped);
      std::ranges::copy(bytes, out.begin() + static_cast<std::ptrdiff_t>(done));
      done += bytes.size();
    }
  }

 private:
  TensorPart integers_;
  const IntegerType& type_;
  float scale_;
  std::int64_t zero_;
};

}  // namespace

TensorPart quantized_part(const TensorPart& integers, const TorchQuantization& quantization,
                          std::string_view encoding) {
  const auto type = std::ranges::find(kIntegers, encoding, &IntegerType::encoding);
  ensure(type != std::end(kIntegers), "integers of type {}", encoding);
  if (quantization.zero_point < INT32_MIN || quantization.zero_point > INT32_MAX)
    fail(ErrorCode::kInput, "a zero point of {}", quantization.zero_point);
  const auto bytes = checked_mul(integers.bytes / type->bytes, sizeof(float));
  if (!bytes) fail(ErrorCode::kInput, "{} integers are too many", integers.bytes / type->bytes);
  return {integers.file, integers.offset, *bytes,
          std::make_shared<QuantizedDecoder>(integers, *type, static_cast<float>(quantization.scale),
                                             quantization.zero_point)};
}

}  // namespace quern
