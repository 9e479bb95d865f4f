// The hook copies rows; between gathers all threads multiply them.
#include "calib/collect_hessians.h"

#include <algorithm>
#include <map>

#include "base/fail.h"
#include "base/interruption.h"
#include "base/names.h"
#include "calib/column_sums.h"
#include "calib/hessian_store.h"
#include "calib/hessian_sums.h"
#include "runtime/block_program.h"
#include "runtime/head.h"

namespace quern {
namespace {

constexpr const char* kHidden = "hidden";

// What one Hessian has gathered and summed.
class SlotSums {
 public:
  explicit SlotSums(const HessianSlot& slot) : slot_(slot), sum_(slot.group.columns), squares_(slot.group.columns) {}

  void expect(std::size_t windows) {
    rows_.assign(windows, {});
    squares_of_.assign(windows, {});
  }
  // Of one window. Safe from several threads for different windows.
  void take(std::size_t window, MatrixView input) {
    Matrix rows(input.rows, input.cols);
    for (std::size_t t = 0; t < input.rows; ++t) std::ranges::copy(input.row(t), rows.row(t).begin());
    squares_of_.at(window) = sums_of_squares(input);
    rows_.at(window) = std::move(rows);
  }
  void add_gathered(const GatherShape& shape, Precision precision, ThreadPool& pool) {
    for (const std::vector<double>& window : squares_of_) {
      ensure(window.size() == squares_.size(), "{} heard nothing in a window", slot_.group.name);
      for (std::size_t c = 0; c < squares_.size(); ++c) squares_[c] += window[c];
    }
    const std::size_t chunk = shape.windows_per_chunk();
    for (std::size_t first = 0; first < rows_.size(); first += chunk)
      sum_.add(std::span(rows_).subspan(first, std::min(chunk, rows_.size() - first)), precision, pool);
    rows_.clear();
  }
  NewHessian result() const {
    InputMoments moments{squares_, sum_.tokens()};
    for (double& value : moments.mean_square) value /= static_cast<double>(std::max<std::uint64_t>(1, moments.tokens));
    return {slot_.group.name, static_cast<std::uint32_t>(slot_.expert), std::move(moments),
            [this](std::size_t i, std::span<float> out) { sum_.mean_row(i, out); }};
  }

 private:
  HessianSlot slot_;
  HessianSum sum_;
  std::vector<double> squares_;
  std::vector<Matrix> rows_;                     // by window
  std::vector<std::vector<double>> squares_of_;  // by window
};

// All windows through one block, once or several times.
class BlockPass {
 public:
  BlockPass(const WalkContext& context, std::size_t block, ActivationStore& hidden, Observer& observer)
      : context_(context),
        block_(context.spec.blocks[block]),
        is_head_(block + 1 == context.spec.blocks.size()),
        hidden_(hidden),
        shape_{hidden.length(), hidden.width(), context.pool.threads()},
        observer_(observer) {
    if (!is_head_) program_.emplace(context, block_.ops, kHidden, kHidden, hidden.length(), hidden.width());
  }

  enum class Hidden { kKeep, kAdvance };  // kAdvance: the block's results become the hidden states
  std::vector<SlotSums> run(const std::vector<HessianSlot>& slots, Hidden after) {
    std::vector<SlotSums> sums;
    std::map<std::pair<std::string, std::size_t>, std::size_t> index;
    for (const HessianSlot& slot : slots) {
      index[{slot.group.name, slot.expert}] = sums.size();
      sums.emplace_back(slot);
    }
    const InputHook hook = [&](const Weight& weight, std::size_t expert, std::size_t window, MatrixView input) {
      const auto found = index.find({weight.group, expert});
      if (found != index.end()) sums[found->second].take(window, input);
    };
    for (std::size_t first = 0; first < hidden_.windows(); first += shape_.windows_per_gather()) {
      check_interrupted(observer_);
      const std::size_t count = std::min(shape_.windows_per_gather(), hidden_.windows() - first);
      for (SlotSums& slot : sums) slot.expect(count);
      pass(first, count, hook, after);
      for (SlotSums& slot : sums) slot.add_gathered(shape_, context_.precision, context_.pool);
    }
    return sums;
  }

 private:
  void pass(std::size_t first, std::size_t count, const InputHook& hook, Hidden after) {
    ActivationStore part(count, hidden_.length(), hidden_.width(), UINT64_MAX);
    Matrix window(hidden_.length(), hidden_.width());
    for (std::size_t w = 0; w < count; ++w) {
      hidden_.load(first + w, window.view());
      part.save(w, window.view());
    }
    if (is_head_)
      run_head_norm(context_, part, hook);
    else
      pass_windows(context_, *program_, block_.name, block_.ops, part, part, hook);
    for (std::size_t w = 0; after == Hidden::kAdvance && w < count; ++w) {
      part.load(w, window.view());
      hidden_.save(first + w, window.view());
    }
  }

  const WalkContext& context_;
  const Block& block_;
  bool is_head_;
  ActivationStore& hidden_;
  GatherShape shape_;
  Observer& observer_;
  std::optional<BlockProgram> program_;
};

using Passes = std::vector<std::vector<HessianSlot>>;

void check_groups(const ModelSpec& spec, const std::set<std::string>& wanted) {
  std::vector<std::string> known;
  for (const Block& block : spec.blocks)
    for (const InputGroup& group : input_groups(spec, block)) known.push_back(group.name);
  for (const std::string& name : wanted)
    if (std::ranges::find(known, name) == known.end())
      fail(ErrorCode::kUsage, "the model has no input group {}; the nearest: {}", name, nearest_names(name, known));
}

std::vector<InputGroup> wanted_groups(const ModelSpec& spec, std::size_t block, const HessianOptions& options) {
  std::vector<InputGroup> groups = input_groups(spec, spec.blocks[block]);
  std::erase_if(
      groups, [&](const InputGroup& group) { return !options.groups.empty() && !options.groups.contains(group.name); });
  return groups;
}

Passes missing_of(const WalkContext& context, std::size_t block, const GatherShape& shape,
                  const HessianOptions& options, const HessianWriter& store) {
  std::vector<HessianSlot> slots;
  for (const InputGroup& group : wanted_groups(context.spec, block, options))
    for (std::size_t e = 0; e < group.experts; ++e)
      if (!store.contains(group.name, static_cast<std::uint32_t>(e))) slots.push_back({group, e});
  return split_passes(slots, shape, options.memory_limit);
}

void add_passes(BlockPass& block, const Passes& passes, HessianWriter& store, ThreadPool& pool) {
  for (std::size_t p = 0; p < passes.size(); ++p) {
    const auto after = p + 1 < passes.size() ? BlockPass::Hidden::kKeep : BlockPass::Hidden::kAdvance;
    const std::vector<SlotSums> sums = block.run(passes[p], after);
    std::vector<NewHessian> ready;
    for (const SlotSums& slot : sums) ready.push_back(slot.result());
    store.add(ready, pool);
  }
}

}  // namespace

void collect_hessians(const WalkContext& context, const Windows& windows, const HessianOptions& options,
                      HessianWriter& store, Observer& observer) {
  const auto& blocks = context.spec.blocks;
  const std::string differs =
      difference(hessian_identity(store.identity().model, windows, context.precision), store.identity());
  ensure(differs.empty(), "Hessians for a store of something else: {}", differs);
  if (windows.count() == 0) fail(ErrorCode::kInput, "there are no windows to take Hessians from");
  check_groups(context.spec, options.groups);
  const GatherShape shape = gather_shape(context.spec, windows.length, context.pool.threads());
  std::vector<Passes> missing(blocks.size());
  std::size_t end = 0;  // behind the last block of which something is missing
  for (std::size_t b = 1; b < blocks.size(); ++b) {
    missing[b] = missing_of(context, b, shape, options, store);
    if (!missing[b].empty()) end = b + 1;
  }
  observer.stage("calibrate", blocks.size() - 1);
  std::optional<ActivationStore> hidden;
  if (end > 0) hidden = embed_windows(context, windows, options.hidden_limit);
  for (std::size_t b = 1; b < blocks.size(); ++b) {
    check_interrupted(observer);
    if (!missing[b].empty()) {
      BlockPass block(context, b, *hidden, observer);
      add_passes(block, missing[b], store, context.pool);
    } else if (b + 1 < end) {
      run_block(context, b, *hidden);
    }
    for (const InputGroup& group : wanted_groups(context.spec, b, options))
      if (group.experts > 1 && !store.contains(group.name, kAllExperts))
        store.add_pooled(group.name, static_cast<std::uint32_t>(group.experts), context.pool);
    observer.advance(blocks[b].name);
  }
  store.finish();
}

}  // namespace quern
