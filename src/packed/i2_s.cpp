// The layout that bitnet.cpp's converter writes (utils/convert-hf-to-gguf-bitnet.py, quantize_to_i2_s), and its
// llama-quantize on x86 with ACT_PARALLEL, the default of include/gemm-config.h (src/ggml-bitnet-mad.cpp,
// quantize_i2_s). The weights of a tensor of n, row after row:
//
//   0..n/4-1       blocks of 128 weights in 32 bytes: weight j in byte j % 32, at bit 6 - 2 (j / 32); code less 1 is
//                  -1, 0 or 1
//   n/4..n/4+3     the scale, binary32: the value of the code 2
//   n/4+4..n/4+31  padding
//
// Builds without ACT_PARALLEL put four rows in a byte, those for Arm have blocks of 64: not read, and not told apart.
#include "packed/i2_s.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/fail.h"
#include "checkpoint/quantized_numbers.h"
#include "packed/tiles.h"

namespace quern {
namespace {

constexpr std::uint64_t kBlock = 128, kBlockBytes = 32, kTail = 32, kPerByte = 4;
constexpr unsigned kNoCode = 3;

class I2sSource final : public TileSource {
 public:
  explicit I2sSource(const TensorEntry& stored)
      : name_(stored.name),
        offset_(stored.parts.at(0).offset),
        elements_(element_count(stored.shape)),
        cols_(stored.shape.back()) {}

  std::uint64_t stored_bytes() const override { return elements_ / kPerByte + kTail; }

  void decode(const File& home, const Tile& tile, std::span<float> values) const override {
    std::byte scale[sizeof(float)];
    home.read(offset_ + elements_ / kPerByte, scale);
    std::vector<std::byte> blocks;
    for (std::uint64_t r = 0; r < tile.rows; ++r) {
      const std::uint64_t first = (tile.row + r) * cols_ + tile.col, begin = first / kBlock;
      blocks.resize((round_up(first + tile.cols, kBlock) / kBlock - begin) * kBlockBytes);
      home.read(offset_ + begin * kBlockBytes, blocks);
      for (std::uint64_t c = 0; c < tile.cols; ++c) {
        const std::uint64_t at = first + c - begin * kBlock, j = at % kBlock;
        const auto byte = std::to_integer<unsigned>(blocks[at / kBlock * kBlockBytes + j % kBlockBytes]);
        const unsigned code = byte >> (6 - 2 * (j / kBlockBytes)) & 3u;
        if (code == kNoCode)
          fail(ErrorCode::kInput, "{} has code 3 in row {}, column {}; ternary weights have 0, 1 and 2", name_,
               tile.row + r, tile.col + c);
        values[r * tile.cols + c] = static_cast<float>(static_cast<int>(code) - 1) * load<float>(scale);
      }
    }
  }

 private:
  std::string name_;
  std::uint64_t offset_, elements_, cols_;
};

}  // namespace

std::uint64_t i2_s_bytes(const Shape& shape) {
  const std::uint64_t elements = element_count(shape);
  if (shape.empty() || elements % kBlock)
    fail(ErrorCode::kInput, "the {} weights of shape {} are no multiple of the {} of an i2_s block", elements,
         to_string(shape), kBlock);
  return elements / kPerByte + kTail;
}

TensorEntry decoded_i2_s(const TensorEntry& stored) {
  TensorEntry entry =
      tiled_entry(stored.name, stored.shape, kFloat32, stored.parts.at(0), std::make_shared<I2sSource>(stored));
  entry.parts[0] = decoded_part(std::move(entry.parts[0]), std::string(kI2sName));
  return entry;
}

}  // namespace quern
