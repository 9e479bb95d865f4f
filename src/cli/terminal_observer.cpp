// Bar and lines. On a terminal a line has these parts, as many as fit: the stage, the bar, percent and time left of the
// run (steps of the stage where nobody knows those), what was done last.
#include "cli/terminal_observer.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>

#include "base/printable.h"
#include "cli/amounts.h"
#include "cli/field_flags.h"
#include "cli/interrupts.h"
#include "cli/standard_input.h"
#include "cli/standard_streams.h"
#include "cli/terminal.h"

namespace quern::cli {
namespace {

constexpr std::size_t kNameWidth = 28, kMostBar = 30, kLeastBar = 10, kLeastWhat = 12, kUsualColumns = 120;
constexpr double kSilence = 10;  // seconds between two lines of one phase

void tell_notes(std::span<const std::string> lines) {
  for (const std::string& line : lines) tell("note: {}\n", printable_line(with_input_name(with_flags(line))));
}

std::string time_left(double seconds) { return (seconds < 1 ? "<1 s" : duration(seconds)) + " left"; }

std::string state_of(RunProgress& progress, double now) {
  const std::optional<RunProgress::Done> done = progress.of_run(now);
  return done ? fmt::format("{:>3}%  {}", done->percent, time_left(done->seconds_left))
              : fmt::format("{} of {}", progress.done(), progress.total());
}

std::string bar(double share, std::size_t width) {
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(width));
  return fmt::format(" [{}{}]", std::string(filled, '#'), std::string(width - filled, '.'));
}

}  // namespace

TerminalObserver::TerminalObserver(Verbosity verbosity, std::string all_notes_in)
    : verbosity_(verbosity),
      redraws_(verbosity == Verbosity::kNormal && can_redraw(STDERR_FILENO)),
      notes_(std::move(all_notes_in)),
      said_at_(-kSilence) {}

TerminalObserver::~TerminalObserver() {
  clear_line();
  say_end();
  show_notes();
  if (const std::string rest = notes_.rest(); !rest.empty()) tell("{}\n", rest);
}

double TerminalObserver::now() const { return std::chrono::duration<double>(Clock::now() - started_).count(); }

void TerminalObserver::expect(std::vector<ExpectedPhase> phases, PhaseSeconds seconds) {
  progress_.expect(std::move(phases), seconds, now());
}

void TerminalObserver::stage(std::string_view name, std::uint64_t total) {
  clear_line();
  show_notes();
  progress_.begin_stage(name, total, now());
  if (redraws_) return draw("");
  if (verbosity_ == Verbosity::kNormal && (stages_said_.emplace(name).second || now() - said_at_ >= kSilence)) say("");
}

void TerminalObserver::advance(std::string_view what) {
  progress_.advance();
  if (redraws_) return draw(what);
  if (verbosity_ == Verbosity::kEveryStep)
    tell("[{}/{}] {}: {}\n", progress_.done(), progress_.total(), progress_.stage(), printable_line(what));
  if (verbosity_ == Verbosity::kNormal && now() - said_at_ >= kSilence) say(what);
}

void TerminalObserver::note(std::string_view text) {
  if (verbosity_ == Verbosity::kQuiet) return;
  notes_.add(text);
  if (progress_.stage().empty() || verbosity_ == Verbosity::kEveryStep) show_notes();
}

bool TerminalObserver::interrupted() const { return stop_requested(); }

void TerminalObserver::say(std::string_view what) {
  said_at_ = now();
  const std::string step = what.empty() ? "" : ": " + printable_line(what);
  if (const auto done = progress_.of_run(said_at_))
    tell("{:>3}%  {} ({} of {}), {}{}\n", done->percent, progress_.stage(), progress_.done(), progress_.total(),
         time_left(done->seconds_left), step);
  else
    tell("{} ({} of {}){}\n", progress_.stage(), progress_.done(), progress_.total(), step);
}

// A phase that another follows ends with that one's line. One that an error ended is not over.
void TerminalObserver::say_end() {
  if (redraws_ || verbosity_ != Verbosity::kNormal || progress_.stage().empty() || std::uncaught_exceptions() > 0)
    return;
  tell("{}: done; {} in all\n", progress_.stage(), duration(now()));
}

void TerminalObserver::draw(std::string_view what) {
  const std::size_t room = columns_of_terminal(STDERR_FILENO).value_or(kUsualColumns) - 1;
  const double at = now();
  const std::string state = state_of(progress_, at);
  const auto done = progress_.of_run(at);
  const double share = done ? done->percent / 100.0 : progress_.share();
  const std::size_t fixed = kNameWidth + 3 + 2 + state.size();  // the brackets of the bar, and gaps
  std::string line = cut_to_width(progress_.stage(), kNameWidth);
  if (room >= fixed + kLeastBar) {
    line.resize(kNameWidth, ' ');
    line += bar(share, std::min(kMostBar, room - fixed)) + "  " + state;
  } else {
    line = cut_to_width(line, room - std::min(room, state.size() + 2)) + "  " + state;
  }
  const std::size_t taken = width_of(line) + 2;
  if (room >= taken + kLeastWhat) line += "  " + cut_to_width(printable_line(what), room - taken);
  tell("\r\033[K{}", cut_to_width(line, room));
  std::fflush(stderr);
  is_drawn_ = true;
}

void TerminalObserver::clear_line() {
  if (!is_drawn_) return;
  tell("\r\033[K");
  std::fflush(stderr);
  is_drawn_ = false;
}

void TerminalObserver::show_notes() {
  const std::vector<std::string> lines = notes_.take();
  if (!lines.empty()) clear_line();
  tell_notes(lines);
}

void show_notes(std::span<const std::string> notes, std::string all_in) {
  NoteLines all(std::move(all_in));
  for (const std::string& note : notes) all.add(note);
  tell_notes(all.take());
  if (const std::string rest = all.rest(); !rest.empty()) tell("{}\n", rest);
}

}  // namespace quern::cli
