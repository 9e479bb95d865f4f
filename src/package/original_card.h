// What is said of a model beside its weights, as far as it may be published: no place on anybody's computer is in it.
#pragma once

#include <string>

#include "base/json.h"
#include "checkpoint/checkpoint.h"

namespace quern {

// "acme/tiny"; empty for what is no id on the hub, such as a path on the computer of whoever trained it.
std::string id_or_nothing(const std::string& text);
// The same, and "tiny", a repository of no organisation.
std::string plain_id_or_nothing(const std::string& text);

// Front matter (text/front_matter.h) of the card beside the weights, or what a container has inside in its place. Of a
// package of quern's the card that the original had, with what the package's own says that it was made from. Models and
// datasets are ids or addresses; a link to the licence is an address, or a file that goes along to a container of this
// `place`; no other text is a path.
Json original_card(const Checkpoint& source, Format::Companions place);

// Without the paths in `_name_or_path`, at any depth.
Json published_config(const Json& config);

}  // namespace quern
