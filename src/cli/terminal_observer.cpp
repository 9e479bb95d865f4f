// Bar and lines.
#include "cli/terminal_observer.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/printable.h"
#include "cli/amounts.h"
#include "cli/field_flags.h"
#include "cli/interrupts.h"
#include "cli/standard_streams.h"

namespace quern::cli {
namespace {

constexpr int kBarWidth = 30;
constexpr std::size_t kUsualColumns = 120;

// Of the terminal: a longer line would stay behind when the next is drawn over it.
std::size_t columns() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kUsualColumns;
}

}  // namespace

TerminalObserver::TerminalObserver(Verbosity verbosity)
    : verbosity_(verbosity), terminal_(::isatty(STDERR_FILENO) == 1) {}

TerminalObserver::~TerminalObserver() { clear_line(); }

void TerminalObserver::expect(double seconds) {
  expected_end_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

void TerminalObserver::stage(std::string_view name, std::uint64_t total) {
  clear_line();
  stage_ = name;
  total_ = total;
  done_ = 0;
  started_ = Clock::now();
}

void TerminalObserver::advance(std::string_view what) {
  ++done_;
  if (verbosity_ == Verbosity::kQuiet) return;
  if (terminal_) {
    draw(what);
  } else {
    tell("[{}/{}] {}: {}\n", done_, total_, printable_line(stage_), printable_line(what));
  }
}

void TerminalObserver::note(std::string_view text) {
  if (verbosity_ == Verbosity::kQuiet) return;
  clear_line();
  tell("note: {}\n", printable_line(with_flags(text)));
}

bool TerminalObserver::interrupted() const { return stop_requested(); }

void TerminalObserver::draw(std::string_view what) {
  const double share = total_ ? std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_)) : 0;
  const int filled = static_cast<int>(share * kBarWidth);
  const double seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  const double of_stage = share > 0 ? seconds / share - seconds : 0;
  const double of_run = std::chrono::duration<double>(expected_end_ - Clock::now()).count();
  const double left = std::max(of_stage, of_run);
  const std::string line = fmt::format("{:<28} [{}{}] {:>3.0f}%  {}  {}", stage_.substr(0, 28),
                                       std::string(static_cast<std::size_t>(filled), '#'),
                                       std::string(static_cast<std::size_t>(kBarWidth - filled), '.'), 100 * share,
                                       duration(left) + " left", printable_line(what.substr(0, 48)));
  tell("\r\033[K{}", line.substr(0, columns() - 1));
  std::fflush(stderr);
}

void TerminalObserver::clear_line() {
  if (terminal_ && verbosity_ != Verbosity::kQuiet && !stage_.empty()) {
    tell("\r\033[K");
    std::fflush(stderr);
  }
}

}  // namespace quern::cli
