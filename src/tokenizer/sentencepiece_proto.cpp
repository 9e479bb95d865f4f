// Protobuf wire format (protobuf.dev/programming-guides/encoding) of sentencepiece's ModelProto
// (sentencepiece_model.proto).
//
//   ModelProto      1 repeated message pieces, 2 message trainer_spec, 3 message normalizer_spec
//   SentencePiece   1 string piece, 2 float score (0), 3 enum type (1)
//   TrainerSpec     3 enum model_type (1: unigram, 2: bpe), 24 bool treat_whitespace_as_suffix, 35 bool byte_fallback,
//                   40..43 int32 unk_id, bos_id, eos_id, pad_id, 45..48 string unk_piece, bos_piece, eos_piece,
//                   pad_piece
//   NormalizerSpec  2 bytes precompiled_charsmap, 3 bool add_dummy_prefix (1), 4 bool remove_extra_whitespaces (1),
//                   5 bool escape_whitespaces (1)
//
// A field is a varint key (number * 8 + wire type), then: type 0 a varint, 1 eight bytes, 2 a varint length and bytes,
// 5 four bytes.
#include "tokenizer/sentencepiece_proto.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string_view>

#include "base/fail.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  std::uint64_t number = 0;
  Wire wire = Wire::kVarint;
  std::uint64_t value = 0;     // of a number
  ByteSpan bytes;              // of kBytes
  std::uint64_t position = 0;  // of the key, or of bytes for kBytes, in the whole file
};

[[noreturn]] void malformed(std::uint64_t position, std::string_view what) {
  fail(ErrorCode::kInput, "not a sentencepiece model: {} at byte {}", what, position);
}

class WireReader {
 public:
  WireReader(ByteSpan bytes, std::uint64_t position) : bytes_(bytes), start_(position) {}

  std::optional<Field> next() {
    if (at_ == bytes_.size()) return std::nullopt;
    Field field;
    field.position = start_ + at_;
    const std::uint64_t key = varint();
    field.number = key >> 3;
    field.wire = static_cast<Wire>(key & 7);
    if (field.number == 0) malformed(field.position, "field number 0");
    if (field.wire == Wire::kVarint) {
      field.value = varint();
    } else if (field.wire == Wire::kFixed32) {
      field.value = load<std::uint32_t>(take(4).data());
    } else if (field.wire == Wire::kFixed64) {
      field.value = load<std::uint64_t>(take(8).data());
    } else if (field.wire == Wire::kBytes) {
      const std::uint64_t length = varint();
      field.position = start_ + at_;
      field.bytes = take(length);
    } else {
      malformed(field.position, "unknown wire type");
    }
    return field;
  }

 private:
  ByteSpan take(std::uint64_t count) {
    if (count > bytes_.size() - at_) malformed(start_ + at_, "a field that is longer than the message");
    at_ += count;
    return bytes_.subspan(at_ - count, count);
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) malformed(start_ + at_, "an unfinished number");
      const auto byte = static_cast<std::uint64_t>(bytes_[at_++]);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    malformed(start_ + at_, "a number of more than ten bytes");
  }

  ByteSpan bytes_;
  std::uint64_t start_ = 0;
  std::size_t at_ = 0;
};

void expect(const Field& field, Wire wire) {
  if (field.wire != wire) {
    fail(ErrorCode::kInput, "not a sentencepiece model: field {} at byte {} has wire type {}, {} was expected",
         field.number, field.position, static_cast<int>(field.wire), static_cast<int>(wire));
  }
}

std::string text_of(const Field& field) {
  expect(field, Wire::kBytes);
  return {reinterpret_cast<const char*>(field.bytes.data()), field.bytes.size()};
}

std::uint64_t number_of(const Field& field) {
  expect(field, Wire::kVarint);
  return field.value;
}

WireReader message_of(const Field& field) {
  expect(field, Wire::kBytes);
  return {field.bytes, field.position};
}

Vocabulary::Piece parse_piece(WireReader reader) {
  Vocabulary::Piece piece;
  while (const auto field = reader.next()) {
    if (field->number == 1) {
      piece.text = text_of(*field);
    } else if (field->number == 2) {
      expect(*field, Wire::kFixed32);
      piece.score = std::bit_cast<float>(static_cast<std::uint32_t>(field->value));
    } else if (field->number == 3) {
      const std::uint64_t type = number_of(*field);
      if (type < 1 || type > 6) malformed(field->position, fmt::format("unknown piece type {}", type));
      piece.type = static_cast<Vocabulary::PieceType>(type);
    }
  }
  return piece;
}

// Names of the special pieces; their ids are looked up, as sentencepiece does.
struct SpecialPieces {
  std::string bos = "<s>", eos = "</s>", pad = "<pad>";
};

void parse_trainer(WireReader reader, Vocabulary& vocabulary, SpecialPieces& special) {
  while (const auto field = reader.next()) {
    if (field->number == 3) {
      const std::uint64_t model = number_of(*field);
      if (model != 1 && model != 2) {
        fail(ErrorCode::kInput, "sentencepiece model type {} is not supported; only Unigram (1) and BPE (2) are",
             model);
      }
      vocabulary.model = model == 1 ? Vocabulary::Model::kUnigram : Vocabulary::Model::kBpe;
    } else if (field->number == 24) {
      if (number_of(*field) != 0) {
        fail(ErrorCode::kInput,
             "sentencepiece models that write white space behind words (treat_whitespace_as_suffix) are not supported");
      }
    } else if (field->number == 46) {
      special.bos = text_of(*field);
    } else if (field->number == 47) {
      special.eos = text_of(*field);
    } else if (field->number == 48) {
      special.pad = text_of(*field);
    }
  }
}

void parse_normalizer(WireReader reader, Vocabulary& vocabulary) {
  while (const auto field = reader.next()) {
    if (field->number == 2) {
      vocabulary.precompiled_charsmap = text_of(*field);
    } else if (field->number == 3) {
      vocabulary.add_space_prefix = number_of(*field) != 0;
    } else if (field->number == 4) {
      vocabulary.remove_extra_whitespaces = number_of(*field) != 0;
    } else if (field->number == 5) {
      vocabulary.escape_whitespaces = number_of(*field) != 0;
    }
  }
}

std::int32_t find_piece(const Vocabulary& vocabulary, Vocabulary::PieceType type, const std::string* text) {
  const auto found = std::find_if(vocabulary.pieces.begin(), vocabulary.pieces.end(), [&](const auto& piece) {
    return piece.type == type && (!text || piece.text == *text);
  });
  return found == vocabulary.pieces.end() ? -1 : static_cast<std::int32_t>(found - vocabulary.pieces.begin());
}

class WireWriter {
 public:
  void number(unsigned field, std::uint64_t value) {
    key(field, Wire::kVarint);
    varint(value);
  }
  void real(unsigned field, float value) {
    key(field, Wire::kFixed32);
    char bytes[4];
    store(bytes, value);
    out_.append(bytes, sizeof bytes);
  }
  void text(unsigned field, std::string_view value) {
    key(field, Wire::kBytes);
    varint(value.size());
    out_ += value;
  }
  const std::string& bytes() const noexcept { return out_; }

 private:
  void key(unsigned field, Wire wire) { varint(std::uint64_t{field} << 3 | static_cast<std::uint64_t>(wire)); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }

  std::string out_;
};

std::string serialize_trainer(const Vocabulary& vocabulary) {
  const auto& pieces = vocabulary.pieces;
  const bool byte_fallback =
      std::any_of(pieces.begin(), pieces.end(), [](const auto& p) { return p.type == Vocabulary::PieceType::kByte; });
  WireWriter out;
  out.number(3, vocabulary.model == Vocabulary::Model::kUnigram ? 1 : 2);
  out.number(4, pieces.size());
  out.number(35, byte_fallback ? 1 : 0);
  const std::int32_t ids[] = {vocabulary.unknown, vocabulary.bos, vocabulary.eos, vocabulary.pad};
  // An id of -1 is a ten-byte varint, as protobuf writes a negative int32.
  for (unsigned i = 0; i < 4; ++i) out.number(40 + i, static_cast<std::uint64_t>(std::int64_t{ids[i]}));
  for (unsigned i = 0; i < 4; ++i) {
    if (ids[i] >= 0) out.text(45 + i, pieces[static_cast<std::size_t>(ids[i])].text);
  }
  return out.bytes();
}

std::string serialize_normalizer(const Vocabulary& vocabulary) {
  WireWriter out;
  if (!vocabulary.precompiled_charsmap.empty()) out.text(2, vocabulary.precompiled_charsmap);
  out.number(3, vocabulary.add_space_prefix ? 1 : 0);
  out.number(4, vocabulary.remove_extra_whitespaces ? 1 : 0);
  out.number(5, vocabulary.escape_whitespaces ? 1 : 0);
  return out.bytes();
}

}  // namespace

Vocabulary parse_sentencepiece_model(ByteSpan model) {
  Vocabulary vocabulary;
  vocabulary.model = Vocabulary::Model::kUnigram;
  vocabulary.remove_extra_whitespaces = true;
  SpecialPieces special;
  WireReader reader(model, 0);
  while (const auto field = reader.next()) {
    if (field->number == 1) {
      vocabulary.pieces.push_back(parse_piece(message_of(*field)));
    } else if (field->number == 2) {
      parse_trainer(message_of(*field), vocabulary, special);
    } else if (field->number == 3) {
      parse_normalizer(message_of(*field), vocabulary);
    }
  }
  vocabulary.unknown = find_piece(vocabulary, Type::kUnknown, nullptr);
  vocabulary.bos = find_piece(vocabulary, Type::kControl, &special.bos);
  vocabulary.eos = find_piece(vocabulary, Type::kControl, &special.eos);
  vocabulary.pad = find_piece(vocabulary, Type::kControl, &special.pad);
  return vocabulary;
}

std::string serialize_sentencepiece_model(const Vocabulary& vocabulary) {
  WireWriter out;
  for (const Vocabulary::Piece& piece : vocabulary.pieces) {
    WireWriter message;
    message.text(1, piece.text);
    message.real(2, piece.score);
    message.number(3, static_cast<std::uint64_t>(piece.type));
    out.text(1, message.bytes());
  }
  out.text(2, serialize_trainer(vocabulary));
  out.text(3, serialize_normalizer(vocabulary));
  return out.bytes();
}

}  // namespace quern
