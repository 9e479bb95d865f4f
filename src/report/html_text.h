// Text for HTML, from strings and numbers that nobody vouches for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace quern {

// One line, printable, and safe as the text of an element and in a quoted attribute.
std::string escaped(std::string_view text);
// Several lines, whose ends stay.
std::string escaped_lines(std::string_view text);

// "plus minus" where the text says "+-", a true minus before a digit. Of text that is escaped already.
std::string typeset(std::string text);

// 4.70 MB
std::string megabytes(std::uint64_t bytes);
// 0.0153, 1.2e-05: three digits that count. Error(kInternal) for NaN and infinity.
std::string three_digits(double value);
// Hundredths, for coordinates and shares. Error(kInternal) for NaN and infinity.
std::string hundredths(double value);

// Labels of axes: "0.05", and megabytes() of a number of bytes, with as many digits as tell it from one that is `step`
// away (0: hundredths).
std::string plain_number(double value, double step = 0);
std::string size_label(double bytes, double step = 0);

}  // namespace quern
