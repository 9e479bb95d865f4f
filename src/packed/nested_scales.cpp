// Twice quantized scales to bytes and back.
#include "packed/nested_scales.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/dynamic8.h"
#include "base/fail.h"
#include "base/file.h"

namespace quern {
namespace {

class NestedScaleDecoder final : public PartDecoder {
 public:
  explicit NestedScaleDecoder(NestedScales nested) : nested_(std::move(nested)) {}

  std::uint64_t stored_bytes() const override {
    return (nested_.codes.decoder ? nested_.codes.decoder->stored_bytes() : nested_.codes.bytes) +
           nested_.scales.size() * sizeof(float);
  }

  void read(const File& file, std::uint64_t offset, std::span<std::byte> out) const override {
    if (out.empty()) return;
    const std::uint64_t first = offset / sizeof(float), last = (offset + out.size() - 1) / sizeof(float);
    std::vector<std::uint8_t> codes(last - first + 1);
    read_part(file, nested_.codes, first, std::as_writable_bytes(std::span(codes)));
    std::vector<float> scales(codes.size());
    for (std::size_t k = 0; k < codes.size(); ++k)
      scales[k] = nested_.values[codes[k]] * nested_.scales[(first + k) / kNestedBlock] + nested_.shift;
    std::ranges::copy(std::as_bytes(std::span(scales)).subspan(offset % sizeof(float), out.size()), out.begin());
  }

 private:
  NestedScales nested_;
};

std::vector<std::byte> bytes_of(ByteSpan bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

std::vector<std::vector<std::byte>> encode_nested_scales(std::span<const std::byte> scales) {
  const std::size_t count = scales.size() / sizeof(float);
  std::vector<std::uint8_t> codes(count);
  std::vector<float> nested;
  for (std::size_t first = 0; first < count; first += kNestedBlock) {
    const std::size_t end = std::min<std::size_t>(count, first + kNestedBlock);
    float largest = 0;
    for (std::size_t k = first; k < end; ++k) largest = std::max(largest, load<float>(&scales[4 * k]));
    for (std::size_t k = first; k < end; ++k) {
      const auto scale = load<float>(&scales[4 * k]);
      codes[k] = nearest_dynamic8(largest > 0 ? scale / largest : 0.0f);
      ensure(dynamic8_values()[codes[k]] * largest == scale, "scale {} of a run whose largest is {} was not settled",
             scale, largest);
    }
    nested.push_back(largest);
  }
  return {bytes_of(std::as_bytes(std::span(codes))), bytes_of(std::as_bytes(std::span(nested)))};
}

std::shared_ptr<const PartDecoder> make_nested_scale_decoder(NestedScales nested) {
  return std::make_shared<NestedScaleDecoder>(std::move(nested));
}

}  // namespace quern
