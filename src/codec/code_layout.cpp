// Codecs whose code layout kernels know.
#include "codec/code_layout.h"

namespace quern {
namespace {

struct KnownLayout {
  std::string_view codec;
  CodeLayout layout;
};

constexpr KnownLayout kKnown[] = {
    {"f32", CodeLayout::kF32},
    {"f16", CodeLayout::kF16},
    {"bf16", CodeLayout::kBf16},
    {"int8_channel", CodeLayout::kBytes},
    {"q8_0", CodeLayout::kScaledBytes},
    {"q4_0", CodeLayout::kScaledNibbles},
    {"q4_k", CodeLayout::kAffine4},
    {"q5_k", CodeLayout::kAffine5},
    {"q6_k", CodeLayout::kSymmetric6},
    {"seedlm_4", CodeLayout::kSeeds8},
    {"seedlm_4_paper", CodeLayout::kSeeds8},
    {"seedlm_3", CodeLayout::kSeeds12},
    {"tq2_0", CodeLayout::kTernary2},
    {"tq1_0", CodeLayout::kTernary1},
};

// Of all codecs whose names begin so.
constexpr KnownLayout kFamilies[] = {{"hyper_", CodeLayout::kPairs}, {"vptq_", CodeLayout::kVectors}};

}  // namespace

CodeLayout code_layout(const Codec& codec) {
  for (const KnownLayout& known : kKnown) {
    if (known.codec == codec.name) return known.layout;
  }
  for (const KnownLayout& family : kFamilies) {
    if (std::string_view(codec.name).starts_with(family.codec)) return family.layout;
  }
  return CodeLayout::kOther;
}

}  // namespace quern
