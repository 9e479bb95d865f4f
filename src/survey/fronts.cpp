// Hidden states in front of every block, and walks that start from them.
#include "survey/fronts.h"

#include "runtime/head.h"

namespace quern {
namespace {

ActivationStore empty_like(const ActivationStore& store, std::uint64_t memory_limit) {
  return ActivationStore(store.windows(), store.length(), store.width(), memory_limit);
}

ActivationStore copy_of(const ActivationStore& from, std::uint64_t memory_limit) {
  ActivationStore to = empty_like(from, memory_limit);
  Matrix window(from.length(), from.width());
  for (std::size_t w = 0; w < from.windows(); ++w) {
    from.load(w, window.view());
    to.save(w, window.view());
  }
  return to;
}

// What leaves block `block` (the embedding: 0) when it starts from the original's states in front of it; the head's
// block has not run yet.
ActivationStore behind_block(const WalkContext& context, std::size_t block, const std::vector<ActivationStore>& fronts,
                             const Windows& windows, std::uint64_t memory_limit) {
  if (block == 0) return embed_windows(context, windows, memory_limit);
  if (block + 1 == context.spec.blocks.size()) return copy_of(fronts[block], memory_limit);
  ActivationStore hidden = empty_like(fronts[block], memory_limit);
  run_block(context, block, fronts[block], hidden);
  return hidden;
}

}  // namespace

std::vector<ActivationStore> fronts_of(const WalkContext& context, const Windows& windows, std::uint64_t each) {
  const std::size_t blocks = context.spec.blocks.size();
  std::vector<ActivationStore> fronts;
  fronts.push_back(ActivationStore(0, windows.length, 1, each));
  fronts.push_back(embed_windows(context, windows, each));
  for (std::size_t b = 1; b + 1 < blocks; ++b) {
    fronts.push_back(empty_like(fronts[b], each));
    run_block(context, b, fronts[b], fronts[b + 1]);
  }
  ActivationStore normed = copy_of(fronts[blocks - 1], each);
  run_head_norm(context, normed);
  fronts.push_back(scored_rows(normed, each));
  return fronts;
}

ActivationStore walk_from(const WalkContext& context, std::size_t block, const std::vector<ActivationStore>& fronts,
                          const Windows& windows, std::uint64_t memory_limit) {
  ActivationStore hidden = behind_block(context, block, fronts, windows, memory_limit);
  for (std::size_t b = block + 1; b + 1 < context.spec.blocks.size(); ++b) run_block(context, b, hidden);
  run_head_norm(context, hidden);
  return scored_rows(hidden, memory_limit);
}

SurveyOriginal::SurveyOriginal(const EncodeInput& encode, const Windows& text, const EvaluationSetup& evaluation,
                               Keep keep)
    : input(encode), windows(text), setup(evaluation), keep_(keep) {}

void SurveyOriginal::walk_with_fronts() {
  fronts_ = fronts_of(walk(), windows, store_bytes());
  rows_ = std::move(fronts_.back());
  fronts_.pop_back();
}

const ActivationStore& SurveyOriginal::rows() {
  if (!rows_ && keep_ == Keep::kFronts) walk_with_fronts();
  if (!rows_) {
    input.observer.stage("original on the gate text", input.spec.blocks.size() - 1);
    rows_ = final_hidden(walk(), windows, store_bytes(), input.observer);
  }
  return *rows_;
}

std::vector<ActivationStore> SurveyOriginal::fronts() {
  if (fronts_.empty()) walk_with_fronts();
  return std::move(fronts_);
}

}  // namespace quern
