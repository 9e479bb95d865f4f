// Sums of squares per column, a window at a time.
#include "calib/collect.h"

#include <algorithm>
#include <mutex>

#include "base/interruption.h"
#include "calib/column_sums.h"
#include "runtime/head.h"

namespace quern {
namespace {

using Sums = std::vector<double>;

// Sums of one group, or of one of its experts. Windows are added in their order; one that comes early waits, so that
// few are held at a time.
class OrderedSums {
 public:
  void add(std::size_t window, std::size_t tokens, Sums sums) {
    early_.emplace(window, Early{tokens, std::move(sums)});
    while (!early_.empty() && early_.begin()->first == next_) {
      const Early& now = early_.begin()->second;
      total_.resize(now.sums.size(), 0.0);
      for (std::size_t c = 0; c < now.sums.size(); ++c) total_[c] += now.sums[c];
      tokens_ += now.tokens;
      early_.erase(early_.begin());
      ++next_;
    }
  }
  InputMoments moments() const {
    InputMoments moments{.mean_square = total_, .tokens = tokens_};
    for (double& value : moments.mean_square) value /= static_cast<double>(std::max<std::uint64_t>(1, tokens_));
    return moments;
  }

 private:
  struct Early {
    std::size_t tokens = 0;
    Sums sums;
  };
  Sums total_;
  std::uint64_t tokens_ = 0;
  std::size_t next_ = 0;
  std::map<std::size_t, Early> early_;
};

// Sums of the groups of one block.
class BlockSums {
 public:
  void add(const Weight& weight, std::size_t expert, std::size_t window, MatrixView input) {
    Sums sums = sums_of_squares(input);
    const std::lock_guard lock(mutex_);
    std::vector<OrderedSums>& group = groups_[weight.group];
    group.resize(weight.experts());
    group.at(expert).add(window, input.rows, std::move(sums));
  }
  void move_to(Statistics& statistics) {
    for (const auto& [name, experts] : groups_) {
      GroupMoments group;
      for (const OrderedSums& sums : experts) group.experts.push_back(sums.moments());
      group.pooled = pool_moments(group.experts);
      statistics.groups[name] = std::move(group);
    }
    groups_.clear();
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::vector<OrderedSums>> groups_;
};

}  // namespace

Statistics collect_statistics(const WalkContext& context, const Windows& windows, std::uint64_t memory_limit,
                              Observer& observer) {
  const auto& blocks = context.spec.blocks;
  Statistics statistics;
  statistics.windows = windows.count();
  statistics.window_length = windows.length;
  BlockSums sums;
  const InputHook hook = [&](const Weight& weight, std::size_t expert, std::size_t window, MatrixView input) {
    sums.add(weight, expert, window, input);
  };
  observer.stage("calibrate", blocks.size() - 1);
  ActivationStore hidden = embed_windows(context, windows, memory_limit);
  for (std::size_t b = 1; b < blocks.size(); ++b) {
    check_interrupted(observer);
    if (b + 1 < blocks.size())
      run_block(context, b, hidden, hook);
    else
      run_head_norm(context, hidden, hook);
    sums.move_to(statistics);
    observer.advance(blocks[b].name);
  }
  return statistics;
}

}  // namespace quern
