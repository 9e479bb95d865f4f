// Names are looked up once, when the vocabulary is made a model.
#include "tokenizer/byte_pieces.h"

#include <fmt/format.h>

#include <algorithm>

namespace quern {

BytePieces::BytePieces(const Vocabulary& vocabulary, const TextIds& ids) {
  ids_.fill(-1);
  if (!vocabulary.pipeline->byte_fallback) return;
  for (unsigned byte = 0; byte < ids_.size(); ++byte)
    if (const auto found = ids.find(fmt::format("<0x{:02X}>", byte)); found != ids.end()) ids_[byte] = found->second;
}

bool BytePieces::append(std::string_view text, std::vector<std::int32_t>& ids) const {
  const auto id_of = [this](char byte) { return ids_[static_cast<std::uint8_t>(byte)]; };
  if (std::ranges::any_of(text, [&](char byte) { return id_of(byte) < 0; })) return false;
  for (const char byte : text) ids.push_back(id_of(byte));
  return true;
}

}  // namespace quern
