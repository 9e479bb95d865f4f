// Progress for people: a bar on a terminal, one line a step elsewhere. Everything goes to the error stream.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "quern/observer.h"

namespace quern::cli {

enum class Verbosity { kQuiet, kNormal };

class TerminalObserver : public Observer {
 public:
  explicit TerminalObserver(Verbosity verbosity);
  ~TerminalObserver() override;

  // What the whole run is thought to take from now on, seconds: the bar never says that less is left.
  void expect(double seconds);

  void stage(std::string_view name, std::uint64_t total) override;
  void advance(std::string_view what) override;
  void note(std::string_view text) override;
  bool interrupted() const override;

 private:
  using Clock = std::chrono::steady_clock;

  void draw(std::string_view what);
  void clear_line();

  Verbosity verbosity_;
  bool terminal_;
  std::string stage_;
  std::uint64_t total_ = 0, done_ = 0;
  Clock::time_point started_, expected_end_;
};

}  // namespace quern::cli
