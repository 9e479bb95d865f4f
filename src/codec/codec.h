// A number format: how a row of weights becomes bytes. Rows of the table in src/codec/codecs.cpp.
//
// Encoding has two steps so that every way of rounding works in every format: `fit` chooses the side information of a
// block (scales, minima) from its weights and their importance; `round` turns weights into codes under that side
// information, any run of granules at a time, so that an error can be fed into the columns that follow; `pack` writes.
// Every step is given the descriptor, so that formats that differ in sizes alone share their code.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace quern {

// A codec stores a tensor in one or more planes (codes here, scales there). A block format has one plane.
struct CodecPlane {
  enum class Holds {
    kBlocks,      // row after row, each of its blocks in as many bytes
    kRows,        // row after row, each of a size of its own; plane 0 of a measured codec
    kOffsets,     // where the rows of plane 0 begin, and where the last ends: u64, little-endian; its plane 1
    kTensorSide,  // what all rows of the tensor share; the last plane of a trained codec
  };
  const char* name;                   // "blocks", "codes", "scales"
  std::uint32_t bytes_per_block = 0;  // of each block of a row
  std::uint32_t bits_per_weight = 0;  // and of each of its weights; a block is filled up to whole bytes
  Holds holds = Holds::kBlocks;
  std::uint32_t vector = 1;  // weights that take these bits together

  std::uint64_t block_bytes(std::uint64_t weights) const {
    return bytes_per_block + (weights / vector * bits_per_weight + 7) / 8;
  }
};

inline constexpr std::size_t kMaxPlanes = 3;

// Where the rows of a tensor lie: planes[p] is the start of plane p of row 0. In a plane of offsets, the offset of the
// row; in one of rows, its first byte.
using PlanePointers = std::array<std::byte*, kMaxPlanes>;
using ConstPlanePointers = std::array<const std::byte*, kMaxPlanes>;

// What all rows of one tensor share (a table of frequencies, a codebook), ready to be used. Constant once made.
class TensorSide {
 public:
  virtual ~TensorSide() = default;
  virtual std::vector<std::byte> serialise() const = 0;
};

// Learns a TensorSide from the rows of one tensor.
class TensorTraining {
 public:
  virtual ~TensorTraining() = default;
  // Some rows (stripes: Codec::stripe), each once, in any cut. `importance`: of each column of them, as in Codec::fit.
  virtual void observe(MatrixView rows, std::span<const float> importance) = 0;
  // What another one of the same codec has seen. The result depends neither on the order nor on the cut.
  virtual void merge(const TensorTraining& other) = 0;
  // All rows have been seen: what wants to see them once more, knowing that. Null: nothing does, and `finish` may be
  // called.
  virtual std::unique_ptr<TensorTraining> next_pass() const { return nullptr; }
  virtual std::shared_ptr<const TensorSide> finish() const = 0;
};

struct Codec {
  const char* name;                    // NOTE: on-disk id; never changes its meaning
  const char* summary;                 // one line in plain words
  double bits_per_weight;              // nominal; exact sizes come from plane_row_bytes
  std::uint32_t block;                 // weights a block; 0: the whole row is one block
  std::span<const CodecPlane> planes;  // 1..kMaxPlanes
  std::uint32_t side_bytes = 0;        // size of a block's side information in memory

  // Chooses the side information. This, `round` and `pack` are null in a format that is only read (read_only_codecs).
  // `importance` has one non-negative weight per column of the block, or is empty (all 1). The error to minimise is the
  // sum over the block of importance * (weight - decoded)^2.
  void (*fit)(const Codec& codec, std::span<const float> weights, std::span<const float> importance,
              std::byte* side) = nullptr;
  // Codes of weights[k] as column `first` + k of the block, and the values that they decode to (`values` may be empty).
  // Whole granules. `importance`: of these columns, as in `fit`; nothing to a codec that rounds each weight alone.
  void (*round)(const Codec& codec, const std::byte* side, std::uint32_t first, std::span<const float> weights,
                std::span<const float> importance, std::span<std::int32_t> codes, std::span<float> values) = nullptr;
  // Writes one block: planes[p] points to where plane p of this block begins. Null in a measured codec.
  void (*pack)(const Codec& codec, const std::byte* side, std::span<const std::int32_t> codes,
               PlanePointers planes) = nullptr;
  // Reads one block: Error(kInput) where its bytes are no codes. Null in a measured codec.
  void (*decode)(const Codec& codec, ConstPlanePointers planes, std::span<float> out) = nullptr;

  // Bytes that a tensor takes in a container that stores planes more tightly than they are exchanged (zero points of
  // 4 bits); null: those of its planes. Ask stored_bytes.
  std::uint64_t (*stored_bytes_of)(const Codec& codec, std::uint64_t rows, std::uint64_t cols) = nullptr;

  // Side information that is itself compressed over runs of this many consecutive blocks of a tensor, across rows
  // (0: of none): `settle` turns the sides of one run into ones that can be stored. Called after `fit`, before `round`.
  std::uint32_t settled_blocks = 0;
  void (*settle)(const Codec& codec, std::span<std::byte> sides) = nullptr;

  // kTrained: for weights that were trained to be its values. It loses more than others of its size on other weights,
  // so it is taken only where a person or a scheme names it.
  enum class Use { kAny, kTrained };
  Use use = Use::kAny;

  // The three steps in one for whole rows, to the same bytes: faster side by side. `planes` points to the first row.
  // Null: step by step, block by block.
  void (*encode)(const Codec& codec, MatrixView rows, std::span<const float> importance,
                 PlanePointers planes) = nullptr;

  // Weights that are rounded together, from a multiple of as many: 1 where each has its own code. Divides a block, and
  // a row; or a row that is one block has a multiple of `tail` weights more, which the codec pads to a whole granule.
  std::uint32_t granule = 1;
  std::uint32_t tail = 0;  // 0: no row ends within a granule

  // `round` of the same columns of many rows in one, to the same codes: faster side by side. Side information, codes
  // and values (or none) row after row. Only where a row is one block. Null: row by row. Call the function of that
  // name.
  void (*round_rows)(const Codec& codec, std::span<const std::byte> sides, std::uint32_t first, MatrixView weights,
                     std::span<const float> importance, std::span<std::int32_t> codes,
                     std::span<float> values) = nullptr;

  // A measured codec: rows take as many bytes as they come to (entropy coding), which is known once they are encoded.
  // `pack_row` appends one, from the side information of its blocks and its codes; `unpack_row` reads exactly these
  // bytes: Error(kInput) where they cannot be such a row. Null: sizes follow from the shape.
  void (*pack_row)(const Codec& codec, std::span<const std::byte> sides, std::span<const std::int32_t> codes,
                   std::vector<std::byte>& out) = nullptr;
  void (*unpack_row)(const Codec& codec, std::span<const std::byte> row, std::span<float> out) = nullptr;
  bool is_measured() const { return pack_row != nullptr; }

  // A trained codec has side information of a whole tensor. `train` begins to learn it, `load_tensor_side` reads its
  // bytes: Error(kInput) unless they are what serialise() would write. Steps find it in `tensor_side` of the descriptor
  // that they are given, which is that of trained_codec. Null: it has none.
  std::unique_ptr<TensorTraining> (*train)(const Codec& codec) = nullptr;
  std::shared_ptr<const TensorSide> (*load_tensor_side)(const Codec& codec, std::span<const std::byte> bytes) = nullptr;
  const TensorSide* tensor_side = nullptr;
  // Bytes of a row (stripe) in plane p where they are not those of its weights, or the side information of the tensor
  // decides them: then, of the table's own descriptor, the nominal ones. Null: those of the plane. Ask plane_row_bytes.
  std::uint64_t (*row_bytes_of)(const Codec& codec, std::size_t p, std::uint64_t cols) = nullptr;

  // Rows whose weights are rounded together, column by column: vectors along the output axis, as VPTQ has them. Such a
  // codec sees stripes of so many rows wherever others see rows, column after column: the weight in row r and column c
  // of a stripe is its element c * stripe + r. Rows short of a whole stripe are filled up with zeros. Its block is 0, a
  // column of a stripe is its granule, and it is not measured. 1: rows as they are.
  std::uint32_t stripe = 1;

  // The columns as error feedback goes through them. kByInputs: by descending mean square of their inputs, which loses
  // less (docs/methods/error-feedback.md) and changes nothing of how they are stored. Only where a row (stripe) is one
  // block, a column of it a granule, and `round` gives a column, which `first` tells it, the same codes whichever went
  // before.
  enum class FeedbackOrder { kAsTheyStand, kByInputs };
  FeedbackOrder feedback_order = FeedbackOrder::kAsTheyStand;

  // At most so many rows are encoded in one task, a multiple of the stripe, where a search makes a weight take
  // thousands of times longer than elsewhere: a matrix of few rows has work for several threads then. 0: no bound of
  // its own.
  std::uint32_t most_rows_per_task = 0;

  // The codec of plain floats whose values come back bit by bit; null: this one's values are its own. Ask plain_codec.
  const char* plain = nullptr;

  // Rows that must be encoded together, from a multiple of as many, so that no run and no stripe is cut.
  std::uint64_t rows_together(std::uint64_t cols) const {
    return settle ? settled_blocks / std::gcd(cols / block, std::uint64_t{settled_blocks}) : stripe;
  }
  // Rows of the planes: stripes of as many rows of a tensor.
  std::uint64_t stripes(std::uint64_t rows) const { return (rows + stripe - 1) / stripe; }
  // What the weights of a row (of a stripe) are a multiple of.
  std::uint32_t row_unit() const { return block != 0 ? block : tail != 0 ? tail : granule; }
  // Whether rows of this many weights can be stored.
  bool divides(std::uint64_t cols) const { return cols * stripe % row_unit() == 0; }
  // Bytes of one row (of one stripe) of `cols` columns in plane p, where all have as many: 0 in the other planes.
  // REQUIRES: divides(cols).
  std::uint64_t plane_row_bytes(std::size_t p, std::uint64_t cols) const {
    const CodecPlane& plane = planes[p];
    if (plane.holds == CodecPlane::Holds::kOffsets) return sizeof(std::uint64_t);
    if (plane.holds != CodecPlane::Holds::kBlocks) return 0;
    if (row_bytes_of) return row_bytes_of(*this, p, cols);
    const std::uint64_t granules = (cols * stripe + granule - 1) / granule;
    return blocks_of(cols) * plane.block_bytes(block == 0 ? granules * granule : block);
  }
  // Bytes of a tensor in a file, names and shapes aside; of a measured codec an estimate. REQUIRES: divides(cols).
  std::uint64_t stored_bytes(std::uint64_t rows, std::uint64_t cols) const {
    return stored_bytes_of ? stored_bytes_of(*this, rows, cols) : stripes(rows) * row_bytes(cols);
  }
  // Bytes of one row (of one stripe) in all planes, as they are exchanged; of a measured codec an estimate.
  std::uint64_t row_bytes(std::uint64_t cols) const {
    std::uint64_t sum = is_measured() ? static_cast<std::uint64_t>(static_cast<double>(cols) * bits_per_weight / 8) : 0;
    for (std::size_t p = 0; p < planes.size(); ++p) sum += plane_row_bytes(p, cols);
    return sum;
  }
  std::uint64_t blocks_of(std::uint64_t cols) const { return block == 0 ? 1 : cols / block; }
};

// In the order of bits per weight, highest first.
std::span<const Codec* const> codecs();
// Null when there is none of that name.
const Codec* find_codec(std::string_view name);
// Formats that are read and not written: they have no `fit`, `round` and `pack`. In the order of bits per weight.
std::span<const Codec* const> read_only_codecs();
// Among both: what decodes tensors of that encoding. Null when there is none.
const Codec* find_decoder(std::string_view name);
// The codec of plain floats that holds every value of `codec`, as it is stored: the codec itself unless it says so.
const Codec& plain_codec(const Codec& codec);
// The encoding of those floats; `encoding` itself where it has no codec.
std::string_view plain_encoding(std::string_view encoding);

// `codec` with its side information of one tensor.
std::shared_ptr<const Codec> trained_codec(const Codec& codec, std::shared_ptr<const TensorSide> side);
// Shows some rows of a tensor to what learns from them. `importance`: of their columns, or empty (all 1). REQUIRES:
// they begin at a multiple of Codec::stripe in their tensor.
void observe_rows(const Codec& codec, MatrixView rows, std::span<const float> importance, TensorTraining& training);
// Trained on these rows, where it is a codec that is trained; itself where not.
std::shared_ptr<const Codec> trained_on(const Codec& codec, MatrixView rows, std::span<const float> importance = {});

// Where row (stripe) i lies, from where row 0 does. REQUIRES: offsets of a measured codec were checked.
PlanePointers row_planes(const Codec& codec, std::uint64_t cols, PlanePointers planes, std::size_t row);
ConstPlanePointers row_planes(const Codec& codec, std::uint64_t cols, ConstPlanePointers planes, std::size_t row);
// The bytes of the row that `planes` points to. REQUIRES: codec.is_measured().
std::span<const std::byte> measured_row(ConstPlanePointers planes);
// More than any row of a measured codec takes: what a file says beyond it is wrong.
constexpr std::uint64_t most_row_bytes(std::uint64_t cols) { return 8 * cols + 64; }

// Side information of the blocks of some rows, in their order, in a form that can be stored. REQUIRES: the rows are not
// fewer than are encoded together, or the last of the tensor.
std::vector<std::byte> fit_blocks(const Codec& codec, MatrixView rows, std::span<const float> importance);

// Codes of whole granules of columns of some rows, from column `first` of a block on: what `round` gives for each row.
// `sides` of that block: row after row, as `codes` and `values` (which may be empty) are.
void round_rows(const Codec& codec, std::span<const std::byte> sides, std::uint32_t first, MatrixView weights,
                std::span<const float> importance, std::span<std::int32_t> codes, std::span<float> values);

// Decodes one row (one stripe), all blocks. `planes` points to it. Error(kInput) where its bytes are none.
void decode_row(const Codec& codec, ConstPlanePointers planes, std::span<float> out);
// Rows first .. first + out.rows - 1. `planes` points to the first row (stripe) of the tensor.
void decode_rows(const Codec& codec, ConstPlanePointers planes, std::size_t first, MutableMatrixView out);
// Round-to-nearest of one row that is a tensor of its own: fit, round and pack each block. REQUIRES: not measured, here
// and below; PackedTensor has what any codec encodes.
void encode_row(const Codec& codec, std::span<const float> weights, std::span<const float> importance,
                PlanePointers planes);
// The same of consecutive rows of a tensor, which begin at a multiple of rows_together. `planes` points to the first.
void encode_rows(const Codec& codec, MatrixView rows, std::span<const float> importance, PlanePointers planes);

}  // namespace quern
