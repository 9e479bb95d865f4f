// What iq4_nl and iq4_xs share: the values of their 16 codes (kvalues_iq4nl in llama.cpp's ggml-common.h).
#pragma once

#include "search/codebook_search.h"

namespace quern {

inline constexpr Codebook kIq4Codebook =
    make_codebook({-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113});
static_assert(kIq4Codebook.reach > kCodebookScaleSpan);

}  // namespace quern
