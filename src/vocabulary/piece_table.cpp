// Every contradiction between the tables is refused here; what the merges give is checked by ByteBpe.
#include "vocabulary/piece_table.h"

#include <algorithm>
#include <limits>

#include "base/fail.h"

namespace quern {
namespace {

std::pair<std::string_view, std::string_view> sides_of(std::string_view line, std::size_t rank) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos)
    fail(ErrorCode::kInput, "merge {}, \"{}\", is not two pieces with a space between them", rank, line);
  return {line.substr(0, space), line.substr(space + 1)};
}

std::int32_t piece_of(std::string_view text, const TextIds& ids, std::size_t rank) {
  const auto found = ids.find(text);
  if (found == ids.end())
    fail(ErrorCode::kInput, "merge {} names \"{}\", which is no piece of the vocabulary", rank, text);
  return found->second;
}

}  // namespace

void fill_with_unused(std::vector<Vocabulary::Piece>& pieces, std::size_t size) {
  while (pieces.size() < size)
    pieces.push_back(
        {.text = fmt::format("[PAD{}]", pieces.size()), .type = Vocabulary::PieceType::kUnused, .in_model = false});
}

std::vector<Vocabulary::Merge> merges_of_lines(const std::vector<std::string>& lines,
                                               const std::vector<Vocabulary::Piece>& pieces) {
  TextIds ids;
  ids.reserve(pieces.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) ids.emplace(pieces[i].text, static_cast<std::int32_t>(i));
  std::vector<Vocabulary::Merge> merges;
  for (const std::string& line : lines) {
    const auto [left, right] = sides_of(line, merges.size());
    merges.push_back({piece_of(left, ids, merges.size()), piece_of(right, ids, merges.size())});
  }
  return merges;
}

void PieceTable::add_piece(Vocabulary::Piece piece, std::int64_t id) {
  if (id < 0 || id > std::numeric_limits<std::int32_t>::max())
    fail(ErrorCode::kInput, "the piece \"{}\" has the id {}, which is not one of 31 bits", piece.text, id);
  const auto narrow = static_cast<std::int32_t>(id);
  if (const auto [at, is_new] = places_.emplace(narrow, pieces_.size()); !is_new)
    fail(ErrorCode::kInput, "the pieces \"{}\" and \"{}\" have the same id {}", pieces_[at->second].piece.text,
         piece.text, id);
  ids_.emplace(piece.text, narrow);
  pieces_.push_back({narrow, std::move(piece)});
}

void PieceTable::add_vocabulary(const Json& ids) {
  const Json::Object& members = ids.as_object();
  pieces_.reserve(members.size());
  places_.reserve(members.size());
  ids_.reserve(members.size());
  for (const auto& [text, id] : members) {
    try {
      add_piece({text}, id.as_int64());
    } catch (Error& error) {  // not with_context: the words are needed for one piece of 150,000 at most
      throw error.add_context(fmt::format("piece \"{}\"", text));
    }
  }
}

void PieceTable::add_added(Vocabulary::Piece piece, std::int64_t id) {
  const std::int32_t present = find(piece.text);
  piece.in_model = false;
  if (present < 0) return add_piece(std::move(piece), id);
  if (present != id)
    fail(ErrorCode::kInput, "the added piece \"{}\" has the id {}, but in the vocabulary it is {}", piece.text, id,
         present);
  Vocabulary::Piece& place = pieces_[places_.at(present)].piece;
  piece.in_model = place.in_model;
  piece.score = place.score;
  place = std::move(piece);
}

void PieceTable::add_merge(std::string_view line) {
  const auto [left, right] = sides_of(line, merges_.size());
  add_merge(left, right);
}

void PieceTable::add_merge(std::string_view left, std::string_view right) {
  merges_.push_back({piece_of(left, ids_, merges_.size()), piece_of(right, ids_, merges_.size())});
}

std::int32_t PieceTable::find(std::string_view text) const {
  const auto found = ids_.find(text);
  return found == ids_.end() ? -1 : found->second;
}

void PieceTable::move_into(Vocabulary& vocabulary) {
  if (pieces_.empty()) fail(ErrorCode::kInput, "the vocabulary has no pieces");
  std::ranges::sort(pieces_, {}, &Numbered::id);
  const std::int64_t count = std::int64_t{pieces_.back().id} + 1;
  if (const std::int64_t holes = count - static_cast<std::int64_t>(pieces_.size()); holes > kMaxHoles)
    fail(ErrorCode::kInput, "the vocabulary has {} pieces, but its last id is {}: {} ids have no piece", pieces_.size(),
         count - 1, holes);
  vocabulary.pieces.clear();
  vocabulary.pieces.reserve(static_cast<std::size_t>(count));
  for (auto& [id, piece] : pieces_) {
    fill_with_unused(vocabulary.pieces, static_cast<std::size_t>(id));
    vocabulary.pieces.push_back(std::move(piece));
  }
  vocabulary.merges = std::move(merges_);
}

}  // namespace quern
