// Progress for people: a bar on a terminal, a line a phase elsewhere. Everything goes to the error stream.
#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "cli/note_lines.h"
#include "cli/run_progress.h"
#include "quern/observer.h"

namespace quern::cli {

enum class Verbosity {
  kQuiet,      // nothing
  kNormal,     // a bar; where none can be drawn a line a phase, and in long ones a line every ten seconds
  kEveryStep,  // a line a step
};

class TerminalObserver : public Observer {
 public:
  // `all_notes_in`: where a person finds the notes for which there is no room.
  explicit TerminalObserver(Verbosity verbosity, std::string all_notes_in = "the result as JSON (--json)");
  ~TerminalObserver() override;

  // What the whole run is made of from now on: with it, percent and time left are of all of it.
  void expect(std::vector<ExpectedPhase> phases, PhaseSeconds seconds = PhaseSeconds::kForecast);

  void stage(std::string_view name, std::uint64_t total) override;
  void advance(std::string_view what) override;
  void note(std::string_view text) override;
  bool interrupted() const override;

 private:
  using Clock = std::chrono::steady_clock;

  double now() const;
  void draw(std::string_view what);
  void say(std::string_view what);
  void say_end();
  void clear_line();
  void show_notes();

  Verbosity verbosity_;
  bool redraws_;
  NoteLines notes_;
  RunProgress progress_;
  Clock::time_point started_ = Clock::now();
  double said_at_;  // seconds, of the last line
  std::set<std::string, std::less<>> stages_said_;
  bool is_drawn_ = false;
};

// Notes that belong to a result, on the error stream. `all_in`: where a person finds all of them.
void show_notes(std::span<const std::string> notes, std::string all_in);

}  // namespace quern::cli
