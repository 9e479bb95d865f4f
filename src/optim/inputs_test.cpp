// What is kept of the inputs of groups, by the memory that is allowed.
#include "optim/inputs.h"

#include <gtest/gtest.h>

#include "calib/hessian_writer.h"
#include "checkpoint/scratch_folder_fixture.h"

namespace quern {
namespace {

constexpr std::size_t kColumns = 64;

NewHessian alike(const std::string& group) {
  return {group, 0, {std::vector<double>(kColumns, 1.0), 10000}, [](std::size_t, std::span<float> out) {
            std::ranges::fill(out, 0.0f);
            out[0] = 1;
          }};
}

// Two contexts take 69,632 bytes, and the second factor of one 17,408 more.
TEST(Inputs, CountsTheFactorOfReorderedColumns) {
  constexpr std::uint64_t kMemory = 85000;
  ASSERT_LE(factorisation_bytes(kColumns), kMemory);
  const ScratchFolder folder;
  ThreadPool pool(1);
  const HessianIdentity identity =
      hessian_identity("a model", {100, std::vector<std::int32_t>(10000, 7)}, Precision::kF32);
  HessianWriter writer(folder.path(), identity);
  writer.add(std::vector<NewHessian>{alike("a"), alike("b")}, pool);
  writer.finish();
  const HessianStore store(folder.path(), identity);
  const Statistics statistics = statistics_of(store);
  const Weight a{.group = "a"}, b{.group = "b"};
  const auto is_kept = [&](auto use) {
    const Inputs inputs(statistics, &store, kMemory);
    const auto before = inputs.of(a);
    use(*before);
    inputs.of(b);
    return inputs.of(a) == before;
  };
  EXPECT_TRUE(is_kept([](const InputContext&) {}));
  EXPECT_FALSE(is_kept([](const InputContext& context) { context.order->get(); }));
}

}  // namespace
}  // namespace quern
