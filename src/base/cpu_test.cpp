// Instruction sets: what is named is what is offered, and never more than is allowed.
#include "base/cpu.h"

#include <gtest/gtest.h>

#include "quern/error.h"

namespace quern {
namespace {

bool is_named(const char* feature) {
  return (instruction_set() + "+").find(std::string("+") + feature + "+") != std::string::npos;
}

TEST(Cpu, TheInstructionSetAgreesWithWhatIsOffered) {
  EXPECT_EQ(has_bf16_products(), is_named("avx512_bf16") || is_named("amx")) << instruction_set();
  EXPECT_EQ(has_avx512(), is_named("avx512")) << instruction_set();
  EXPECT_EQ(has_avx512_vnni(), is_named("avx512_vnni")) << instruction_set();
  EXPECT_EQ(has_avx_vnni(), is_named("avx_vnni")) << instruction_set();
}

TEST(Cpu, NothingAboveTheLevelIsOffered) {
  const IsaLevel highest = highest_isa();
  EXPECT_TRUE(highest >= IsaLevel::kAmx || !is_named("amx"));
  EXPECT_TRUE(highest >= IsaLevel::kAvx512Bf16 || !(has_bf16_products() || has_avx512_vnni() || has_avx_vnni()));
  EXPECT_TRUE(highest >= IsaLevel::kAvx512 || !has_avx512());
}

TEST(Cpu, LevelsHaveNamesAndOthersAreRefused) {
  EXPECT_EQ(isa_level("avx2"), IsaLevel::kAvx2);
  EXPECT_EQ(isa_level("avx512"), IsaLevel::kAvx512);
  EXPECT_EQ(isa_level("avx512_bf16"), IsaLevel::kAvx512Bf16);
  EXPECT_EQ(isa_level("amx"), IsaLevel::kAmx);
  EXPECT_EQ(isa_level(""), IsaLevel::kAmx);
  for (const char* name : {"AVX2", "avx", "avx5", "sse41", " amx"}) {
    try {
      isa_level(name);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      EXPECT_NE(std::string(error.what()).find("avx512_bf16"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace quern
