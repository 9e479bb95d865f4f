// Notes of a run as lines for a terminal.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace quern::cli {

// Of one kind are notes that differ in names and numbers alone: the worst of them is shown, the others are counted.
class NoteLines {
 public:
  // `all_in`: where a person finds all of them, such as "report.json".
  explicit NoteLines(std::string all_in) : all_in_(std::move(all_in)) {}

  // A note that was added before is passed over.
  void add(std::string_view note);
  // What was added since the last call, by kind, the worst first; no more than ten lines in all calls.
  std::vector<std::string> take();
  // "and 23 more: report.json has all" for what take() held back; empty: nothing.
  std::string rest() const;

 private:
  std::string all_in_;
  std::set<std::string, std::less<>> added_;
  std::vector<std::string> waiting_;
  std::size_t shown_ = 0, held_back_ = 0;
};

}  // namespace quern::cli
