// Text as ICU's C interface takes it.
#pragma once

#include <unicode/utypes.h>

#include <string>
#include <string_view>

namespace quern {

// Error(kInternal) that names what ICU could not do.
void expect_success(UErrorCode status, std::string_view what);

// REQUIRES: UTF-8 of at most 2^31 - 1 bytes.
std::u16string utf16_of(std::string_view text);
std::string utf8_of(std::u16string_view wide);

}  // namespace quern
