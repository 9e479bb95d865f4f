// The few fields of sentencepiece's ModelProto that a vocabulary needs, read and written without protobuf.
#pragma once

#include <string>

#include "base/bytes.h"
#include "tokenizer/tokenizer.h"

namespace quern {

// The vocabulary in the bytes of a tokenizer.model. Error(kInput) with the byte position when they are not a
// well-formed ModelProto, or when the model is neither BPE nor Unigram. The pieces are not checked (see
// vocabulary_check.h). Fields that do not change ids (training settings, self tests, the denormaliser) are skipped.
Vocabulary parse_sentencepiece_model(ByteSpan model);

// A ModelProto that reads back as the same vocabulary.
std::string serialize_sentencepiece_model(const Vocabulary& vocabulary);

}  // namespace quern
