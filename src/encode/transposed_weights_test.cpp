// Error feedback of matrices that the checkpoint stores as inputs by outputs (GPT-2's Conv1D).
#include <gtest/gtest.h>

#include "calib/collect_hessians.h"
#include "compress/tiny_package_fixture.h"
#include "encode/weight_rows.h"
#include "format/formats.h"
#include "package/package.h"
#include "plan/choice.h"

namespace quern {
namespace {

constexpr std::size_t kTransposed = 8;  // four a layer

// What is known of the inputs of a tiny GPT-2.
struct Known {
  OpenModel model{std::filesystem::path(QUERN_TESTDATA) / "model" / "tiny-gpt2"};
  ScratchFolder scratch;
  ThreadPool pool{2};
  HessianIdentity identity;
  Statistics statistics;
  std::optional<HessianStore> store;
  std::optional<Inputs> inputs;

  Known() {
    const Windows windows = random_windows(8, 64);
    identity = hessian_identity("tiny-gpt2", windows, Precision::kF32);
    HessianWriter writer(scratch.path(), identity);
    Observer observer;
    collect_hessians(model.walk(pool, Precision::kF32), windows, {}, writer, observer);
    store.emplace(scratch.path(), identity);
    statistics = statistics_of(*store);
    inputs.emplace(statistics, &*store, UINT64_MAX);
  }

  Plan plan(const char* scheme, const Format& format, const ExportMap& names) const {
    return make_plan({find_scheme(scheme),
                      format,
                      model.spec,
                      names,
                      model.weights,
                      {"moments", "hessians"},
                      nullptr,
                      &find_optimizer("ldlq")});
  }

  EncodeError error(const OutputTensor& tensor, const char* codec, const char* optimizer) const {
    PlanStep step = tensor.step;
    step.codec = codec;
    step.optimizer = optimizer;
    const ExportedRows rows(model.weights, tensor);
    EncodeError sum;
    for (const RowTask& task : row_tasks(rows))
      sum += encode_rows(rows, step, *rows.inputs(*inputs, task.expert), task).error;
    return sum;
  }
};

bool is_transposed(const OutputTensor& tensor) { return tensor.weight.storage == Weight::Storage::kTransposed; }

// The container has rows of outputs: their columns are inputs, whatever way the source stores them.
TEST(TransposedWeights, GetFeedbackWhereTheyArePacked) {
  const Known known;
  const Format& gguf = find_format("gguf");
  const ExportMap names = export_map(known.model, gguf);
  const Plan plan = known.plan("q8_0", gguf, names);
  const std::vector<OutputTensor> tensors = output_tensors(plan, known.model.spec, names);
  EXPECT_EQ(std::ranges::count_if(tensors, is_transposed), static_cast<std::ptrdiff_t>(kTransposed));
  for (const char* codec : {"q8_0", "q5_0", "q4_0", "q4_1", "iq4_nl", "mxfp4", "int4_g32"}) {
    double fed_back = 0, rounded = 0;
    for (const OutputTensor& tensor : tensors) {
      if (!is_transposed(tensor)) continue;
      EXPECT_EQ(tensor.step.optimizer, "ldlq") << tensor.step.output;
      const EncodeError with = known.error(tensor, codec, "ldlq"), without = known.error(tensor, codec, "weighted");
      EXPECT_GT(with.output_energy, 0) << tensor.step.output;
      fed_back += with.relative_loss();
      rounded += without.relative_loss();
    }
    EXPECT_LT(fed_back, 0.5 * rounded) << codec;
  }
}

// The same bits as from a file that has them as outputs by inputs.
TEST(TransposedWeights, HaveTheInputsOfTheSameMatrixStoredPlainly) {
  const Known known;
  const OpenModel plain(std::filesystem::path(QUERN_TESTDATA) / "model" / "tiny-gpt2.gguf");
  const ExportMap names = export_map(known.model, find_format("gguf"));
  for (const ExportedWeight& exported : names.weights) {
    const Weight& weight = known.model.spec.weights[exported.weight];
    if (weight.storage != Weight::Storage::kTransposed) continue;
    const auto same = std::ranges::find(plain.spec.weights, exported.name, &Weight::tensor);
    ASSERT_NE(same, plain.spec.weights.end()) << exported.name;
    EXPECT_EQ(same->storage, Weight::Storage::kPlain);
    const Codec& codec = *find_codec("q4_0");
    const Optimizer& ldlq = find_optimizer("ldlq");
    ThreadPool pool(2);
    const PackedTensor a = encode_in_memory(known.model.weights, weight, codec, ldlq, *known.inputs, pool),
                       b = encode_in_memory(plain.weights, *same, codec, ldlq, *known.inputs, pool);
    EXPECT_TRUE(std::ranges::equal(a.plane(0), b.plane(0))) << exported.name;
  }
}

// Where a folder keeps them as inputs by outputs they stay plain floats: no block has weights of several outputs.
TEST(TransposedWeights, ArePackedInNoContainerThatKeepsThemTransposed) {
  const Known known;
  for (const Format* format : formats()) {
    if (!format->is_written() || format->dialect != Dialect::kTransformers) continue;
    const ExportMap names = export_map(known.model, *format);
    for (const ExportedWeight& exported : names.weights) {
      const Weight& weight = known.model.spec.weights[exported.weight];
      EXPECT_EQ(exported.is_transposed(weight), weight.storage == Weight::Storage::kTransposed) << exported.name;
      if (!exported.is_transposed(weight)) continue;
      for (const Codec* codec : codecs())
        if (why_refused(*format, weight, exported, codec->name).empty()) {
          EXPECT_EQ(codec->side_bytes + codec->block, 0u) << format->name << " " << codec->name;
        }
    }
  }
}

}  // namespace
}  // namespace quern
