// The number formats of this program. A program that has others beside them defines list_codecs itself: the linker
// takes it from there and leaves this file in the library.
#include "codec/codec_table.h"

namespace quern {

std::vector<const Codec*> list_codecs() { return built_in_codecs(); }

}  // namespace quern
