// Sums of squares per column, a window at a time.
#include "calib/collect.h"

#include <mutex>

#include "runtime/head.h"

namespace quern {
namespace {

using Sums = std::vector<double>;

Sums sums_of_squares(MatrixView input) {
  Sums sums(input.cols, 0.0);
  for (std::size_t t = 0; t < input.rows; ++t) {
    const std::span<const float> row = input.row(t);
    for (std::size_t c = 0; c < row.size(); ++c) sums[c] += static_cast<double>(row[c]) * row[c];
  }
  return sums;
}

// Sums of one group. Windows are added in their order; one that comes early waits, so that few are held at a time.
class OrderedSums {
 public:
  void add(std::size_t window, Sums sums) {
    early_.emplace(window, std::move(sums));
    while (!early_.empty() && early_.begin()->first == next_) {
      const Sums& now = early_.begin()->second;
      total_.resize(now.size(), 0.0);
      for (std::size_t c = 0; c < now.size(); ++c) total_[c] += now[c];
      early_.erase(early_.begin());
      ++next_;
    }
  }
  InputMoments moments(std::uint64_t tokens) const {
    InputMoments moments{.mean_square = total_, .tokens = tokens};
    for (double& value : moments.mean_square) value /= static_cast<double>(tokens);
    return moments;
  }

 private:
  Sums total_;
  std::size_t next_ = 0;
  std::map<std::size_t, Sums> early_;
};

// Sums of the groups of one block.
class BlockSums {
 public:
  void add(const std::string& group, std::size_t window, MatrixView input) {
    Sums sums = sums_of_squares(input);
    const std::lock_guard lock(mutex_);
    groups_[group].add(window, std::move(sums));
  }
  void move_to(Statistics& statistics, std::uint64_t tokens) {
    for (const auto& [group, sums] : groups_) statistics.groups[group] = sums.moments(tokens);
    groups_.clear();
  }

 private:
  std::mutex mutex_;
  std::map<std::string, OrderedSums> groups_;
};

}  // namespace

Statistics collect_statistics(const WalkContext& context, const Windows& windows, std::uint64_t memory_limit,
                              Observer& observer) {
  const auto& blocks = context.spec.blocks;
  Statistics statistics;
  statistics.windows = windows.count();
  statistics.window_length = windows.length;
  BlockSums sums;
  const InputHook hook = [&](const Weight& weight, std::size_t window, MatrixView input) {
    sums.add(weight.group, window, input);
  };
  observer.stage("calibrate", blocks.size() - 1);
  ActivationStore hidden = embed_windows(context, windows, memory_limit);
  for (std::size_t b = 1; b < blocks.size(); ++b) {
    check_interrupted(observer);
    if (b + 1 < blocks.size())
      run_block(context, b, hidden, hook);
    else
      run_head_norm(context, hidden, hook);
    sums.move_to(statistics, windows.ids.size());
    observer.advance(blocks[b].name);
  }
  return statistics;
}

}  // namespace quern
