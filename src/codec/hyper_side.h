// The side information of a tensor in Hyper-Compression: its grid (hyper_grid.h) and, where its indices are entropy
// coded, their tables.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "codec/codec.h"
#include "codec/packed_numbers.h"
#include "entropy/rans.h"
#include "search/hyper_grid.h"

namespace quern {

enum class HyperCoding { kPlain, kEntropy };

// An index as two bytes, which hardly depend on each other. Of point k in class m: m * (s + 1) + 1 + k mod s, and k /
// s; of the centre in class m: m * (s + 1), and s / 2.
struct HyperSymbols {
  std::uint8_t row, column;
};
HyperSymbols symbols_of(const HyperGrid& grid, std::uint32_t index);
// Error(kInput) where no index has them.
std::uint32_t index_of(const HyperGrid& grid, HyperSymbols symbols);

struct HyperTables {
  FrequencyTable rows, columns;
};

// Little-endian: side (f32), centre, farthest (2 f32 each), classes (u8); with tables, for each its bytes (u16) and the
// table.
class HyperSide final : public TensorSide {
 public:
  HyperSide(HyperGrid grid, std::optional<HyperTables> tables) : grid_(std::move(grid)), tables_(std::move(tables)) {}

  std::vector<std::byte> serialise() const override;
  const HyperGrid& grid() const { return grid_; }
  const HyperTables& tables() const { return *tables_; }

 private:
  HyperGrid grid_;
  std::optional<HyperTables> tables_;
};

// REQUIRES: a codec of Hyper-Compression, trained.
const HyperSide& hyper_side(const Codec& codec);

// Zeros in front of the first index of a row.
unsigned hyper_padding_bits(const HyperGrid& grid, std::size_t pairs);

// Reads rows of a codec of Hyper-Compression, in whichever form it stores them. REQUIRES: it is trained.
class HyperRows {
 public:
  HyperRows(const Codec& codec, std::size_t weights);  // of a row

  std::size_t pairs() const { return pairs_; }
  // One index for each pair, and zeros behind the last. Each is below grid().indices(): Error(kInput) where the bytes
  // say otherwise. REQUIRES: a multiple of 8 in `indices`, at least pairs().
  void read(std::span<const std::byte> row, std::span<std::uint32_t> indices);

 private:
  void read_coded(std::span<const std::byte> row, std::span<std::uint32_t> indices);

  const Codec& codec_;
  const HyperSide& side_;
  std::size_t pairs_;
  PackedNumbers numbers_;
  std::vector<std::uint8_t> rows_, columns_;  // of entropy-coded rows
};

// Error(kInput) unless they are what serialise() would write.
std::shared_ptr<const HyperSide> parse_hyper_side(const HyperSetting& setting, HyperCoding coding,
                                                  std::span<const std::byte> bytes);

}  // namespace quern
