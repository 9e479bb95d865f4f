// Another source's weights but for some matrices, which were moved: an overlay whose numbers lie in files of their own.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "model/weights.h"

namespace quern {

// A file a matrix: its logical rows in little-endian floats of 32 bits, nothing else. Only what is read is in memory.
class MovedWeights : public WeightsOverlay {
 public:
  // REQUIRES: the base outlives this.
  MovedWeights(const Weights& base, std::filesystem::path folder) : WeightsOverlay(base), folder_(std::move(folder)) {}

  // Gives moved rows first .. first + count - 1 of a matrix.
  using RowsMoved = std::function<Matrix(std::size_t first, std::size_t count)>;
  // Writes the matrix some rows at a time and waits until it is on the disk; it is read from there from now on. Returns
  // its SHA-256. Not safe beside readers. Error(kResource) when the disk refuses.
  std::string add(const Weight& weight, const RowsMoved& moved);
  // Takes the file that an earlier run wrote. Error(kInput) where it is not there or has another hash.
  void take(const Weight& weight, const std::string& sha256);

  std::string identity() const override;
  void read_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const override;
  StoredForm stored(const Weight& weight) const override;

 protected:
  bool changes(const Weight& weight) const override { return moved_.contains(weight.tensor); }

 private:
  std::filesystem::path path_of(const Weight& weight) const;

  std::filesystem::path folder_;
  std::map<std::string, std::string> moved_;  // Weight::tensor to the SHA-256 of its file
};

}  // namespace quern
