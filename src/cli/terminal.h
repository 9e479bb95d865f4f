// What is known of the terminal, and how much room text takes on it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace quern::cli {

// Whether the descriptor is a terminal that can draw a line anew: TERM=dumb, or none, says that it cannot.
bool can_redraw(int descriptor);

// Of the terminal; absent: there is none, or it does not say.
std::optional<std::size_t> columns_of_terminal(int descriptor);

// Columns that a terminal gives the text: two to ideographs and emoji, none to combining marks.
std::size_t width_of(std::string_view text);

// As many whole characters from the front as fit.
std::string cut_to_width(std::string_view text, std::size_t columns);

}  // namespace quern::cli
