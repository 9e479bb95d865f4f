// Where the numbers of a model come from: rows of its logical matrices, on demand. A checkpoint is one source
// (checkpoint_weights.h); an overlay, weights replaced, scaled, permuted or cut, is another over any base.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "codec/packed_tensor.h"
#include "model/model_spec.h"
#include "tensor/tensor.h"

namespace quern {

// How a weight is stored.
struct StoredForm {
  Shape shape;           // of its tensor; of a weight made of several tensors, the extents of its axes
  std::string encoding;  // of its tensor, of the first of several: what precision it has, so that floats that are kept
                         // in fewer bytes without loss are those floats (Codec::plain). Need not have a codec
  std::uint64_t bytes = 0;
};

// Neighbouring rows in the bytes of one codec.
struct PackedRun {
  const Codec* codec = nullptr;  // of a trained one the row of the table
  std::uint64_t rows = 0, bytes = 0;
};

// Every function is safe from several threads. REQUIRES: a weight is one of the description that the source belongs to.
class Weights {
 public:
  virtual ~Weights() = default;

  // Of the files that they come from, for messages.
  virtual std::string name() const = 0;
  // What makes the numbers others than those in the files, the same text for the same numbers; empty: nothing does.
  virtual std::string identity() const = 0;

  // Decodes rows first .. first + out.rows - 1 of the logical matrix, whatever way it is stored. Error(kInput) when the
  // stored encoding has no codec; the message names the tensor. NaN and infinity pass through. A weight that is stored
  // transposed is read whole each time: take it by read().
  virtual void read_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const = 0;
  Matrix read(const Weight& weight) const;

  virtual StoredForm stored(const Weight& weight) const = 0;
  // The same numbers as read_rows, as rows of stored(weight).shape.
  virtual void read_stored_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const;

  // The runs that the logical rows are kept in, one after another; empty: they are nowhere in a codec's bytes, or in
  // those of one that has plain floats (Codec::plain), which are faster to compute with.
  virtual std::vector<PackedRun> packed_runs(const Weight& weight) const;
  // The bytes of these runs, in memory.
  virtual std::vector<PackedTensor> read_packed(const Weight& weight) const;
};

// Another source's weights but for some: of these alone an overlay says what they are. Every number of them is new, so
// that they are in no codec's bytes, unless the overlay has some.
class WeightsOverlay : public Weights {
 public:
  // REQUIRES: the base outlives this.
  explicit WeightsOverlay(const Weights& base) : base_(base) {}

  std::string name() const override { return base_.name(); }
  void read_stored_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const override;
  std::vector<PackedRun> packed_runs(const Weight& weight) const override;
  std::vector<PackedTensor> read_packed(const Weight& weight) const override;

 protected:
  virtual bool changes(const Weight& weight) const = 0;
  const Weights& base() const noexcept { return base_; }

 private:
  const Weights& base_;
};

// Error(kInternal) unless `out` has the columns of the logical matrix, and rows from `first` on that it has.
void check_rows(const Weight& weight, std::size_t first, MutableMatrixView out);

// The codec of the stored encoding. Error(kInput) that names the tensor when it has none.
const Codec& stored_codec(const Weights& weights, const Weight& weight);

}  // namespace quern
