// The codecs of this program that safetensors folders hold plane by plane. A program that has others beside them
// defines list_plane_encodings itself: the linker takes it from there and leaves this file in the library.
#include "packed/plane_types.h"

namespace quern {

std::vector<PlaneEncoding> list_plane_encodings() { return built_in_plane_encodings(); }

}  // namespace quern
