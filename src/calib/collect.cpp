// Sums of squares per column, a window at a time.
#include "calib/collect.h"

#include <mutex>

#include "quern/error.h"
#include "runtime/head.h"

namespace quern {
namespace {

// Sums of one block, kept apart by window until all are there, so that they can be added in one order.
class WindowSums {
 public:
  explicit WindowSums(std::size_t windows) : windows_(windows) {}

  void add(const std::string& group, std::size_t window, MatrixView input) {
    std::vector<double> sums(input.cols, 0.0);
    for (std::size_t t = 0; t < input.rows; ++t) {
      const std::span<const float> row = input.row(t);
      for (std::size_t c = 0; c < row.size(); ++c) sums[c] += static_cast<double>(row[c]) * row[c];
    }
    const std::lock_guard lock(mutex_);
    auto& slots = groups_[group];
    slots.resize(windows_);
    slots[window] = std::move(sums);
  }

  void finish(std::uint64_t tokens, Statistics& statistics) {
    for (const auto& [group, slots] : groups_) {
      InputMoments& moments = statistics.groups[group];
      moments.tokens = tokens;
      moments.mean_square.assign(slots.front().size(), 0.0);
      for (const std::vector<double>& window : slots)
        for (std::size_t c = 0; c < window.size(); ++c) moments.mean_square[c] += window[c];
      for (double& value : moments.mean_square) value /= static_cast<double>(tokens);
    }
    groups_.clear();
  }

 private:
  std::size_t windows_;
  std::mutex mutex_;
  std::map<std::string, std::vector<std::vector<double>>> groups_;
};

}  // namespace

Statistics collect_statistics(const WalkContext& context, const Windows& windows, std::uint64_t memory_limit, Observer& observer) {
  const auto& blocks = context.spec.blocks;
  Statistics statistics;
  statistics.windows = windows.count();
  statistics.window_length = windows.length;
  WindowSums sums(windows.count());
  const InputHook hook = [&](const Weight& weight, std::size_t window, MatrixView input) { sums.add(weight.group, window, input); };
  observer.stage("calibrate", blocks.size() - 1);
  ActivationStore hidden = embed_windows(context, windows, memory_limit);
  for (std::size_t b = 1; b < blocks.size(); ++b) {
    check_interrupted(observer);
    if (b + 1 < blocks.size())
      run_block(context, b, hidden, hook);
    else
      run_head_norm(context, hidden, hook);
    sums.finish(windows.ids.size(), statistics);
    observer.advance(blocks[b].name);
  }
  return statistics;
}

}  // namespace quern
