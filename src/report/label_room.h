// Room for words in a drawing: none lie on each other.
#pragma once

#include <vector>

namespace quern {

struct Span {
  double from = 0, to = 0;

  bool meets(const Span& other) const { return from < other.to && other.from < to; }
  bool is_in(const Span& other) const { return from >= other.from && to <= other.to; }
};

struct Box {
  Span x, y;

  bool meets(const Box& other) const { return x.meets(other.x) && y.meets(other.y); }
  bool is_in(const Box& other) const { return x.is_in(other.x) && y.is_in(other.y); }
};

// Which of the labels along an axis can be read beside each other: the outermost, then from the left those that have
// room.
std::vector<bool> readable(const std::vector<Span>& labels);

}  // namespace quern
