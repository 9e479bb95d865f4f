// A kind is known by the note without its names and numbers.
#include "cli/note_lines.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <sstream>
#include <utility>

namespace quern::cli {
namespace {

constexpr std::size_t kMostLines = 10, kMostNotes = kMostLines - 1;  // the last line says how many more there are

// Kinds that say how bad it is by a number: the first one behind the phrase. Worst kinds first; all others follow.
struct MeasuredKind {
  std::string_view phrase;
  enum class Worst { kLargest, kSmallest } worst;
};
constexpr MeasuredKind kMeasured[] = {
    {" misses the bound: ", MeasuredKind::Worst::kLargest},
    {" loses ", MeasuredKind::Worst::kLargest},
    {" saw ", MeasuredKind::Worst::kSmallest},
};

bool is_name(std::string_view word) {
  return std::ranges::any_of(word, [](char c) { return (c >= '0' && c <= '9') || c == '_' || c == '/' || c == '"'; });
}

std::string kind_of(const std::string& note) {
  std::string kind;
  std::istringstream words(note);
  for (std::string word; words >> word;) kind += is_name(word) ? " #" : " " + word;
  return kind;
}

double number_behind(std::string_view text) {
  const std::size_t at = text.find_first_of("0123456789");
  double value = 0;
  if (at != text.npos) std::from_chars(text.data() + at, text.data() + text.size(), value);
  return value;
}

struct Rank {
  std::size_t kind;
  double severity;  // less is worse
};

Rank rank_of(std::string_view note) {
  for (std::size_t k = 0; k < std::size(kMeasured); ++k)
    if (const std::size_t at = note.find(kMeasured[k].phrase); at != note.npos) {
      const double number = number_behind(note.substr(at));
      return {k, kMeasured[k].worst == MeasuredKind::Worst::kLargest ? -number : number};
    }
  return {std::size(kMeasured), 0};
}

struct Group {
  std::string kind, worst;
  Rank rank;
  std::size_t order = 0, count = 0;  // of appearance; of notes
};

std::vector<Group> groups_of(std::span<const std::string> notes) {
  std::vector<Group> groups;
  for (const std::string& note : notes) {
    const Rank rank = rank_of(note);
    std::string kind = kind_of(note);
    const auto same = std::ranges::find(groups, kind, &Group::kind);
    Group& group =
        same == groups.end() ? groups.emplace_back(Group{std::move(kind), note, rank, groups.size()}) : *same;
    ++group.count;
    if (rank.severity < group.rank.severity) {
      group.worst = note;
      group.rank = rank;
    }
  }
  std::ranges::sort(groups, {}, [](const Group& g) { return std::pair(g.rank.kind, g.order); });
  return groups;
}

}  // namespace

void NoteLines::add(std::string_view note) {
  if (added_.emplace(note).second) waiting_.emplace_back(note);
}

std::vector<std::string> NoteLines::take() {
  std::vector<std::string> lines;
  for (const Group& group : groups_of(waiting_)) {
    if (shown_ == kMostNotes) {
      held_back_ += group.count;
      continue;
    }
    ++shown_;
    lines.push_back(group.count == 1 ? group.worst
                                     : fmt::format("{} (and {} more like it)", group.worst, group.count - 1));
  }
  waiting_.clear();
  return lines;
}

std::string NoteLines::rest() const {
  return held_back_ ? fmt::format("and {} more: {} has all", held_back_, all_in_) : std::string();
}

}  // namespace quern::cli
