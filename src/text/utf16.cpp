// Over ICU, which counts in 32-bit integers.
#include "text/utf16.h"

#include <unicode/ustring.h>

#include "base/fail.h"

namespace quern {

void expect_success(UErrorCode status, std::string_view what) {
  if (U_FAILURE(status)) fail(ErrorCode::kInternal, "ICU cannot {}: {}", what, u_errorName(status));
}

std::u16string utf16_of(std::string_view text) {
  std::u16string wide(text.size(), u'\0');  // never longer than UTF-8
  std::int32_t length = 0;
  UErrorCode status = U_ZERO_ERROR;
  u_strFromUTF8(wide.data(), static_cast<std::int32_t>(wide.size()), &length, text.data(),
                static_cast<std::int32_t>(text.size()), &status);
  expect_success(status, "convert UTF-8");
  wide.resize(static_cast<std::size_t>(length));
  return wide;
}

std::string utf8_of(std::u16string_view wide) {
  std::string text(3 * wide.size(), '\0');
  std::int32_t length = 0;
  UErrorCode status = U_ZERO_ERROR;
  u_strToUTF8(text.data(), static_cast<std::int32_t>(text.size()), &length, wide.data(),
              static_cast<std::int32_t>(wide.size()), &status);
  expect_success(status, "convert UTF-16");
  text.resize(static_cast<std::size_t>(length));
  return text;
}

}  // namespace quern
