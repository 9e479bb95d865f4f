// What the matrices of a model hear on two texts: one that codes are chosen by, one that they are judged on.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "calib/collect_hessians.h"
#include "optim/inputs.h"
#include "runtime/open_model.h"
#include "tokenizer/texts.h"
#include "vocabulary/load_tokenizer.h"

namespace quern {

// Of the inputs on some windows of a text.
struct Heard {
  static constexpr std::uint64_t kMemory = std::uint64_t{8} << 30;

  Heard(const OpenModel& model, ThreadPool& pool, const Windows& windows, const std::filesystem::path& folder)
      : store(collected(model, pool, windows, folder)),
        statistics(statistics_of(store)),
        inputs(statistics, &store, kMemory) {}

  static HessianStore collected(const OpenModel& model, ThreadPool& pool, const Windows& windows,
                                const std::filesystem::path& folder) {
    Observer observer;
    const HessianIdentity identity = hessian_identity("held out", windows, Precision::kF32);
    HessianWriter writer(folder, identity);
    collect_hessians(model.walk(pool, Precision::kF32), windows, {}, writer, observer);
    return {folder, identity};
  }

  HessianStore store;
  Statistics statistics;
  Inputs inputs;
};

inline Windows windows_of(const OpenModel& model, const std::string& text, std::size_t count) {
  constexpr std::size_t kWindow = 512;
  return make_windows(load_tokenizer(model.checkpoint), text, kWindow, count);
}

struct HeardTexts {
  HeardTexts(const OpenModel& model, ThreadPool& pool, const std::string& calibration, const std::string& evaluation)
      : known(model, pool, windows_of(model, split_text(calibration).calibration, 200), scratch.path() / "known"),
        held_out(model, pool, windows_of(model, evaluation, 40), scratch.path() / "held-out") {}

  const TemporaryFolder scratch{"quern-heard"};
  const Heard known, held_out;
};

inline std::vector<const Weight*> heard_matrices(const OpenModel& model, const Heard& known) {
  std::vector<const Weight*> matrices;
  for (const Weight& weight : model.spec.weights)
    if (!weight.group.empty() && weight.axes.size() > 1 && known.store.experts(weight.group) > 0)
      matrices.push_back(&weight);
  return matrices;
}

}  // namespace quern
