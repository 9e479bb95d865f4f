// Zero points between bytes and words.
#include "packed/zero_points.h"

#include "base/file.h"

namespace quern {
namespace {

class ZeroPointDecoder final : public PartDecoder {
 public:
  ZeroPointDecoder(TensorPart words, std::uint64_t rows, std::uint64_t groups)
      : words_(std::move(words)), rows_(rows), groups_(groups) {}

  std::uint64_t stored_bytes() const override { return zero_point_words(rows_) * groups_ * 4; }

  void read(const File& file, std::uint64_t offset, std::span<std::byte> out) const override {
    if (out.empty()) return;
    const std::uint64_t first = offset / groups_ / kZeroPointsPerWord;
    const std::uint64_t last = (offset + out.size() - 1) / groups_ / kZeroPointsPerWord;
    std::vector<std::uint32_t> words((last - first + 1) * groups_);
    read_part(file, words_, first * groups_ * 4, std::as_writable_bytes(std::span(words)));
    for (std::size_t k = 0; k < out.size(); ++k) {
      const std::uint64_t row = (offset + k) / groups_, group = (offset + k) % groups_;
      const std::uint32_t word = words[(row / kZeroPointsPerWord - first) * groups_ + group];
      out[k] = static_cast<std::byte>(word >> 4 * (row % kZeroPointsPerWord) & 15u);
    }
  }

 private:
  TensorPart words_;
  std::uint64_t rows_, groups_;
};

}  // namespace

std::vector<std::byte> pack_zero_points(std::span<const std::byte> zeros, std::uint64_t groups) {
  const std::uint64_t rows = groups ? zeros.size() / groups : 0;
  std::vector<std::uint32_t> words(zero_point_words(rows) * groups);
  for (std::uint64_t k = 0; k < zeros.size(); ++k) {
    const std::uint64_t row = k / groups;
    words[row / kZeroPointsPerWord * groups + k % groups] |= std::to_integer<std::uint32_t>(zeros[k])
                                                             << 4 * (row % kZeroPointsPerWord);
  }
  const auto bytes = std::as_bytes(std::span(words));
  return {bytes.begin(), bytes.end()};
}

std::shared_ptr<const PartDecoder> make_zero_point_decoder(TensorPart words, std::uint64_t rows, std::uint64_t groups) {
  return std::make_shared<ZeroPointDecoder>(std::move(words), rows, groups);
}

}  // namespace quern
