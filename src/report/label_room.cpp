// Greedy: charts have tens of labels.
#include "report/label_room.h"

#include <algorithm>
#include <cstddef>

namespace quern {

std::vector<bool> readable(const std::vector<Span>& labels) {
  std::vector<bool> shown(labels.size());
  std::vector<Span> taken;
  const auto take = [&](std::size_t i) {
    if (shown[i] || std::ranges::any_of(taken, [&](const Span& span) { return span.meets(labels[i]); })) return;
    shown[i] = true;
    taken.push_back(labels[i]);
  };
  if (labels.empty()) return shown;
  take(0);
  take(labels.size() - 1);
  for (std::size_t i = 0; i < labels.size(); ++i) take(i);
  return shown;
}

}  // namespace quern
