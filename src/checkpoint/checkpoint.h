// A model file or folder: a validated table of tensors whose bytes are read on demand, and its writing counterpart.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "checkpoint/metadata.h"
#include "tensor/tensor.h"

namespace quern {

// Encoding of plain floats, known to every format and codec.
inline constexpr const char* kFloat32 = "f32";

class File;
class OpenFiles;

// Reads a part that the file stores in another shape (zero points of 4 bits, for example) in the codec's.
class PartDecoder {
 public:
  virtual ~PartDecoder() = default;
  // Bytes that the part takes in files.
  virtual std::uint64_t stored_bytes() const = 0;
  // Fills `out` from `offset` within the part, from the part's file. Safe from several threads.
  virtual void read(const File& file, std::uint64_t offset, std::span<std::byte> out) const = 0;
};

// A run of bytes in one of the checkpoint's files.
struct TensorPart {
  std::uint32_t file = 0;               // index into Checkpoint::files()
  std::uint64_t offset = 0, bytes = 0;  // with a decoder: where the stored bytes begin, and how many are decoded
  std::shared_ptr<const PartDecoder> decoder = nullptr;  // null: the part is stored as it is
};

// Reads of a part, decoded, from its file. Safe from several threads.
void read_part(const File& file, const TensorPart& part, std::uint64_t offset, std::span<std::byte> out);

struct TensorEntry {
  std::string name;
  Shape shape;
  std::string encoding;  // name of a codec ("bf16", "q4_k"), or of a stored type without one ("i64", "iq2_xxs")
  std::vector<TensorPart> parts;  // one a plane of the codec, in the codec's order
  // Which way a matrix lies: as the model's own module has its parameter, which may be inputs by outputs; or outputs by
  // inputs, as the packages have it that put linear layers of their own in place of the model's.
  enum class Axes { kOfModule, kOutputsFirst };
  Axes axes = Axes::kOfModule;

  // In files.
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const TensorPart& part : parts) sum += part.decoder ? part.decoder->stored_bytes() : part.bytes;
    return sum;
  }
};

struct SourceFile {
  enum class Role { kWeights, kConfig, kTokenizer };
  std::filesystem::path path;
  std::uint64_t bytes = 0;
  Role role = Role::kWeights;
};

std::vector<std::filesystem::path> paths_of(const std::vector<SourceFile>& files);

class Checkpoint {
 public:
  // What an opener hands over: `tensors` validated (every part inside its file, sizes as the encoding and shape
  // demand).
  struct Contents {
    std::string format;                   // name in the table of formats
    std::filesystem::path path;           // as the user gave it
    std::vector<SourceFile> files;        // everything a runtime needs
    std::vector<TensorEntry> tensors;     // sorted here
    Json config;                          // config.json, or null
    Metadata metadata;                    // GGUF pairs; for safetensors the strings of __metadata__
    std::vector<std::string> notes = {};  // what a person should know, such as what was left out; a sentence each
  };
  explicit Checkpoint(Contents contents);
  Checkpoint(Checkpoint&&) noexcept;
  ~Checkpoint();

  const std::string& format() const noexcept { return contents_.format; }
  const std::filesystem::path& path() const noexcept { return contents_.path; }
  const std::vector<SourceFile>& files() const noexcept { return contents_.files; }
  const Json& config() const noexcept { return contents_.config; }
  const Metadata& metadata() const noexcept { return contents_.metadata; }
  const std::vector<std::string>& notes() const noexcept { return contents_.notes; }

  // Sorted by name.
  const std::vector<TensorEntry>& tensors() const noexcept { return contents_.tensors; }
  const TensorEntry* find(std::string_view name) const;
  // Error(kInput) that names the file and the tensor when it is absent.
  const TensorEntry& at(std::string_view name) const;

  // The same files without the tensors for which `dropped` is true, and with that note.
  Checkpoint without(const std::function<bool(const TensorEntry&)>& dropped, std::string note) &&;

  // Reads out.size() bytes of one part, from `offset` within it. Safe from several threads.
  void read(const TensorEntry& entry, std::size_t part, std::uint64_t offset, std::span<std::byte> out) const;

 private:
  Contents contents_;
  std::unique_ptr<OpenFiles> open_;  // parallel to Contents::files
};

// A tensor to be written.
struct TensorSpec {
  std::string name;
  Shape shape;
  std::string encoding;
  std::vector<std::uint64_t> part_bytes;  // one a plane of the codec
};

// A file that is written as it is.
struct TextFile {
  std::string name, text;
};

// Everything about a file that must be known before the first weight is written.
struct CheckpointHead {
  std::string stem = "model";  // file name without number and extension
  Metadata metadata;
  Json config;                       // becomes config.json where the format has one
  std::vector<TextFile> companions;  // lie beside the weights where the format has files of its own for them
  std::vector<TensorSpec> tensors;   // in file order
  std::uint64_t max_file_bytes = 0;  // 0: one file
};

struct SettledFile {
  std::filesystem::path path;
  std::uint64_t bytes = 0;
};

// Files of the final size with a complete header; tensor bytes arrive in any order.
class CheckpointWriter {
 public:
  virtual ~CheckpointWriter() = default;
  // Writes part `part` of tensor `tensor` (index in the head) at `offset` within the part. Safe from several threads.
  virtual void write(std::size_t tensor, std::size_t part, std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  // Counts the tensor as written: its bytes are in the files already, from a writer of the same head.
  virtual void keep(std::size_t tensor) = 0;
  // All files that it makes, each with how many bytes from its beginning will not change any more. REQUIRES: no
  // write() runs.
  virtual std::vector<SettledFile> settled() = 0;
  // Syncs. Error(kInternal) when fewer or more bytes than announced were written.
  virtual void finish() = 0;
};

// A tensor as a container stores it.
struct StoredTensor {
  std::string_view name, encoding;
};

// Packed tensors that programs load from one folder.
struct PackedMix {
  std::vector<std::string_view> encodings;          // packed ones that may be in it, any number of them
  std::function<bool(const StoredTensor&)> admits;  // whether a tensor may be in it, packed or not
  bool admits_all(std::span<const StoredTensor> tensors) const { return std::ranges::all_of(tensors, admits); }
};

// What people load a checkpoint with, beside quern itself: for model cards.
struct Loader {
  const char* command;  // FILE stands for the file of weights, FOLDER for its folder; null: no other program loads it
  const char* program;  // what that takes; with no command, why there is none
  const char* unpacks;  // the package that knows the packed tensors, where no program knows the model; null: none is
                        // needed
};

// Whose names, shapes and orders of rows the programs of a container expect of a model's weights and settings.
enum class Dialect { kTransformers, kGguf };

// A container format. Rows of the table in src/format/formats.cpp. A format is read, written or both: what reads it is
// `probe` and `open`, what writes it `holds`, `create` and `file_bytes`; one that is not read, or not written, lacks
// them.
struct Format {
  const char* name;
  const char* summary;    // what such a file or folder is, in plain words
  const char* loaded_by;  // programs beside quern itself; what a given checkpoint needs says `loader`
  const char* hub_library = "transformers";  // library_name of a card on the Hugging Face hub
  Dialect dialect = Dialect::kTransformers;
  // Where configuration and tokenizer lie: in files of their own beside the weights, or in the one file with them.
  enum class Companions { kBeside, kInside };
  Companions companions = Companions::kBeside;
  // Whether the path looks like this format, by name and first bytes; null: another format knows such files, or none
  // does.
  bool (*probe)(const std::filesystem::path&) = nullptr;
  Checkpoint (*open)(const std::filesystem::path&) = nullptr;
  // Whether tensors of this encoding with rows of `cols` elements can be stored; 0: with rows of some length.
  bool (*holds)(std::string_view encoding, std::uint64_t cols) = nullptr;
  // Why a tensor of this name and number of axes cannot have an encoding that `holds` allows, as a sentence; null: it
  // can. A format without the function takes every tensor.
  const char* (*refuses)(std::string_view encoding, std::string_view tensor, std::size_t axes) = nullptr;
  // Encoding that the format's runtimes want for vectors (norms, biases); null: as the source stores them.
  const char* vector_encoding = nullptr;
  // Creates the files in an existing folder. Those of the same head that are there already keep their bytes.
  std::unique_ptr<CheckpointWriter> (*create)(const std::filesystem::path& folder,
                                              const CheckpointHead& head) = nullptr;
  // Bytes of all files that create() would make.
  std::uint64_t (*file_bytes)(const CheckpointHead& head) = nullptr;
  // What loads a checkpoint of these tensors.
  const Loader& (*loader)(std::span<const StoredTensor> tensors) = nullptr;
  // What programs that load it join into one matrix, which has one number format. kSameInput: the matrices of a layer
  // that multiply the same input (q, k, v; gate, up), and all experts of a layer.
  enum class Joined { kNothing, kSameInput };
  Joined joined = Joined::kNothing;
  // Mixes of number formats that programs load; null: any.
  std::span<const PackedMix> (*mixes)() = nullptr;

  bool is_read() const { return open != nullptr; }
  bool is_written() const { return create != nullptr; }
};

}  // namespace quern
