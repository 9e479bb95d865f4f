// What is no tensor (header, vocabulary, padding) hardly depends on the plan: what one plan has more than it should is
// taken off the next one's budget.
#include "pipeline/size_search.h"

#include <algorithm>

#include "quern/error.h"

namespace quern {
namespace {

constexpr int kRounds = 8;             // padding of at most 31 bytes a tensor settles in one or two
constexpr double kFullEnough = 0.995;  // of the size
constexpr std::size_t kCurvePoints = 64;

[[noreturn]] void refuse(const SizeSearch& search, std::uint64_t beside) {
  const std::uint64_t least = least_tensor_bytes(search.base, search.options) + beside;
  const std::optional<SizedPlan> smallest = fit_plan(search.base, search.options, least - beside);
  fail(ErrorCode::kInfeasible,
       "a size of {} bytes is too small for this model in {}: the least is {} bytes, with a predicted mean KL "
       "divergence of {:.2g} nats; ask for that much, or make the model smaller first",
       search.most, search.base.format, least, smallest ? smallest->kld : 0.0);
}

void describe(const SizeSearch& search, std::uint64_t bytes, SizedPlan& sized) {
  sized.plan.notes.push_back(fmt::format(
      "the number formats of {} matrices were chosen for a size of at most {} bytes: {} bytes, predicted mean KL "
      "divergence {:.4f} nats on the gate text",
      search.options.size(), search.most, bytes, sized.kld));
  if (static_cast<double>(bytes) < kFullEnough * static_cast<double>(search.most))
    sized.plan.notes.push_back(
        fmt::format("{} bytes are left over: every matrix already has the most precise number format that serves it",
                    search.most - bytes));
}

}  // namespace

SizedPlan search_size(const SizeSearch& search) {
  const std::uint64_t base_bytes = search.file_bytes(search.base), in_tensors = search.base.tensor_bytes();
  std::uint64_t beside = base_bytes - std::min(base_bytes, in_tensors);
  for (int round = 0; round < kRounds; ++round) {
    std::optional<SizedPlan> sized =
        search.most < beside ? std::nullopt : fit_plan(search.base, search.options, search.most - beside);
    if (!sized) refuse(search, beside);
    const std::uint64_t bytes = search.file_bytes(sized->plan);
    if (bytes > search.most) {
      beside += bytes - search.most;
      continue;
    }
    describe(search, bytes, *sized);
    return std::move(*sized);
  }
  fail(ErrorCode::kInternal, "no plan of {} steps came within {} bytes", search.base.steps.size(), search.most);
}

SizeChoice size_choice(const SizeSearch& search, const SizedPlan& sized) {
  const std::uint64_t bytes = search.file_bytes(sized.plan), in_tensors = sized.plan.tensor_bytes();
  SizeChoice choice{
      search.most, {bytes, sized.kld}, size_curve(search.base, search.options, kCurvePoints), sized.shares};
  for (SizePoint& point : choice.curve) point.bytes += bytes - std::min(bytes, in_tensors);
  return choice;
}

}  // namespace quern
