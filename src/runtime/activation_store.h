// The hidden states of all windows between two blocks: in memory up to a bound, beyond it in an unnamed temporary file.
#pragma once

#include <cstdint>
#include <memory>

#include "tensor/tensor.h"

namespace quern {

class ActivationStore {
 public:
  // `windows` matrices of [length, width]. `memory_limit` in bytes: when all of it together is larger, it lives in a
  // file in the system's temporary folder (TMPDIR), already unlinked. Error(kResource) when that cannot be made.
  ActivationStore(std::size_t windows, std::size_t length, std::size_t width, std::uint64_t memory_limit);
  ActivationStore(ActivationStore&&) noexcept;
  ActivationStore& operator=(ActivationStore&&) noexcept;
  ~ActivationStore();

  std::size_t windows() const noexcept;
  std::size_t length() const noexcept;
  std::size_t width() const noexcept;
  // Copies one window out or in. Safe from several threads for different windows.
  void load(std::size_t window, MutableMatrixView out) const;
  void save(std::size_t window, MatrixView in);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quern
