// Finding the added pieces of a vocabulary in a text.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_bpe.h"

namespace quern {

class AddedPieces {
 public:
  // REQUIRES: `text` is not empty and was not added before.
  void add(std::string text, std::int32_t id);

  // What lies between added pieces goes to `plain` (never empty), the pieces to `piece`, in order. Of several that
  // begin at one place the longest counts.
  void cut(std::string_view text, const std::function<void(std::string_view)>& plain,
           const std::function<void(std::int32_t)>& piece) const;

 private:
  // The piece that begins `text`, or null.
  const TextIds::value_type* longest_at(std::string_view text) const;

  TextIds ids_;
  std::array<std::vector<std::size_t>, 256> lengths_;  // by first byte, longest first
};

}  // namespace quern
