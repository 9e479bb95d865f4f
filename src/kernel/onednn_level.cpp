// The level in oneDNN's words.
#include "kernel/onednn_level.h"

#include <array>
#include <oneapi/dnnl/dnnl.hpp>

#include "base/cpu.h"
#include "base/fail.h"

namespace quern {
namespace {

// By IsaLevel.
constexpr std::array kLevels = {dnnl::cpu_isa::avx2, dnnl::cpu_isa::avx512_core, dnnl::cpu_isa::avx512_core_bf16,
                                dnnl::cpu_isa::all};

IsaLevel hold_to(IsaLevel level) {
  if (level != IsaLevel::kAmx &&
      dnnl::set_max_cpu_isa(kLevels[static_cast<std::size_t>(level)]) != dnnl::status::success)
    fail(ErrorCode::kResource, "oneDNN cannot be held to the instructions that QUERN_MAX_ISA allows; unset it");
  return level;
}

}  // namespace

void hold_onednn_to_level() { [[maybe_unused]] static const IsaLevel held = hold_to(highest_isa()); }

}  // namespace quern
