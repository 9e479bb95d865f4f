// The GGUF row of the table of formats, and what its reader and writer share.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/metadata.h"
#include "format/written_file.h"

namespace quern {

extern const Format kGguf;

// general.file_type where llama.cpp has no number: it then goes by the tensors (LLAMA_FTYPE_GUESSED).
inline constexpr std::uint32_t kUnknownFileType = 1024;

// A tensor type of ggml. NOTE: on disk, never renumber.
struct GgmlType {
  const char* name;  // in lower case; also the encoding
  std::uint32_t id;
  std::uint32_t block_weights, block_bytes;
  // general.file_type of a file of which most is this, as llama.cpp guesses it.
  std::uint32_t file_type = kUnknownFileType;
  // Bytes behind the blocks of a tensor; they begin with its scale, binary32, which is a second part.
  std::uint32_t scale_room = 0;
  std::uint32_t block_rows = 1;  // rows that a block spans
};

std::span<const GgmlType> ggml_types();
// Null when there is none.
// Of several of one id the first: i2_s (kI2sOrderKey).
const GgmlType* find_ggml_type(std::uint32_t id);
const GgmlType* find_ggml_type(std::string_view name);

// Bytes of a tensor of this type. Error(kInput) when a row is not whole blocks or the size overflows 64 bits.
std::uint64_t ggml_bytes(const GgmlType& type, const Shape& shape);
// Its parts in a file, where its `bytes` lie at `offset`.
std::vector<TensorPart> ggml_parts(const GgmlType& type, std::uint64_t offset, std::uint64_t bytes);

// Which of its two orders on x86 the I2_S tensors of a file are in, by the name of the encoding: bitnet.cpp's own files
// do not say it.
inline constexpr const char* kI2sOrderKey = "quern.i2_s_order";

// Ids of the value types of metadata: the position in MetaValue.
enum class GgufValueType : std::uint32_t { kBool = 7, kString = 8, kArray = 9 };
inline constexpr std::uint32_t kGgufValueTypes = 13;

inline constexpr char kGgufMagic[4] = {'G', 'G', 'U', 'F'};
inline constexpr std::uint32_t kGgufVersion = 3;
inline constexpr std::uint64_t kGgufDefaultAlignment = 32;
inline constexpr std::size_t kGgufMaxDims = 4;
inline constexpr const char* kGgufAlignmentKey = "general.alignment";

// Alignment that the metadata asks for. Error(kInput) unless it is a power of two of 32 bits.
std::uint64_t gguf_alignment(const Metadata& metadata);

// Opens one GGUF file, or a split set through one of its files or their folder (Format::open).
Checkpoint open_gguf(const std::filesystem::path& path);
// Whether a folder holds exactly one GGUF model.
bool holds_gguf_model(const std::filesystem::path& folder);
// Size of the file that create_gguf would make (Format::file_bytes).
std::uint64_t gguf_file_bytes(const CheckpointHead& head);
// What create_gguf makes before any tensor is written.
std::vector<WrittenFile> gguf_outline(const CheckpointHead& head);
// Creates STEM.gguf in an existing folder (Format::create).
std::unique_ptr<CheckpointWriter> create_gguf(const std::filesystem::path& folder, const CheckpointHead& head);

}  // namespace quern
