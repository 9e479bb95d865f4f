// Writing GGUF version 3: pairs and tensors in the order of the head, each tensor padded to the alignment. Layout:
// gguf_header.cpp.
#include <algorithm>
#include <string>

#include "base/bytes.h"
#include "base/fail.h"
#include "checkpoint/positional_writer.h"
#include "format/gguf.h"

namespace quern {
namespace {

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  put<std::uint64_t>(out, text.size());
  out += text;
}

template <typename T, std::size_t kId = 0>
constexpr std::uint32_t value_type_of() {
  if constexpr (std::is_same_v<T, std::variant_alternative_t<kId, MetaValue>>) {
    return kId;
  } else {
    return value_type_of<T, kId + 1>();
  }
}

void put_array(std::string& out, const MetaArray& array) {
  std::visit(
      [&]<typename T>(const std::vector<T>& items) {
        put(out, array.is_bool ? static_cast<std::uint32_t>(GgufValueType::kBool) : value_type_of<T>());
        put<std::uint64_t>(out, items.size());
        for (const T& item : items) {
          if constexpr (std::is_same_v<T, std::string>) {
            put_text(out, item);
          } else if constexpr (std::is_same_v<T, MetaArray>) {
            put_array(out, item);
          } else {
            put(out, item);
          }
        }
      },
      array.items);
}

void put_pair(std::string& out, const Metadata::Pair& pair) {
  put_text(out, pair.first);
  put(out, static_cast<std::uint32_t>(pair.second.index()));
  std::visit(
      [&]<typename T>(const T& value) {
        if constexpr (std::is_same_v<T, std::string>) {
          put_text(out, value);
        } else if constexpr (std::is_same_v<T, MetaArray>) {
          put_array(out, value);
        } else {
          put(out, value);
        }
      },
      pair.second);
}

struct Data {
  std::vector<WrittenTensor> tensors;
  std::uint64_t bytes = 0;
};

// Appends the tensor table and returns where each tensor lies in the data.
Data put_tensors(std::string& out, const CheckpointHead& head, std::uint64_t alignment) {
  Data data;
  for (const TensorSpec& spec : head.tensors) {
    const GgmlType* type = find_ggml_type(spec.encoding);
    if (!type) fail(ErrorCode::kInput, "tensor \"{}\": GGUF cannot hold {}", spec.name, spec.encoding);
    if (spec.shape.size() > kGgufMaxDims) {
      fail(ErrorCode::kInput, "tensor \"{}\" of shape {}: GGUF allows {} dimensions", spec.name, to_string(spec.shape),
           kGgufMaxDims);
    }
    const std::uint64_t bytes =
        with_context(fmt::format("tensor \"{}\"", spec.name), [&] { return ggml_bytes(*type, spec.shape); });
    std::vector<TensorPart> parts = ggml_parts(*type, data.bytes, bytes);
    ensure(spec.part_bytes.size() == parts.size() && spec.part_bytes[0] == parts[0].bytes,
           "tensor {} takes {} parts, the first of {} bytes", spec.name, parts.size(), parts[0].bytes);
    put_text(out, spec.name);
    put(out, static_cast<std::uint32_t>(spec.shape.size()));
    for (auto extent = spec.shape.rbegin(); extent != spec.shape.rend(); ++extent) put<std::uint64_t>(out, *extent);
    put(out, type->id);
    put(out, data.bytes);
    data.tensors.push_back({spec.name, std::move(parts)});
    data.bytes += round_up(bytes, alignment);
  }
  return data;
}

struct Layout {
  std::string header;
  std::vector<WrittenTensor> tensors;
  std::uint64_t bytes = 0;  // of the file
};

Layout lay_out(const CheckpointHead& head) {
  if (head.max_file_bytes)
    fail(ErrorCode::kUsage, "GGUF is written as one file; files of at most {} bytes are not supported",
         head.max_file_bytes);
  const std::uint64_t alignment = gguf_alignment(head.metadata);
  Layout layout{std::string(kGgufMagic, sizeof kGgufMagic), {}, 0};
  std::string& header = layout.header;
  put(header, kGgufVersion);
  put<std::uint64_t>(header, head.tensors.size());
  put<std::uint64_t>(header, head.metadata.pairs().size());
  for (const Metadata::Pair& pair : head.metadata.pairs()) put_pair(header, pair);
  Data data = put_tensors(header, head, alignment);
  header.resize(round_up(header.size(), alignment), '\0');
  layout.bytes = header.size() + data.bytes;
  layout.tensors = std::move(data.tensors);
  for (WrittenTensor& tensor : layout.tensors)
    for (TensorPart& part : tensor.parts) part.offset += header.size();
  return layout;
}

}  // namespace

std::uint64_t gguf_file_bytes(const CheckpointHead& head) { return lay_out(head).bytes; }

std::vector<WrittenFile> gguf_outline(const CheckpointHead& head) {
  Layout layout = lay_out(head);
  return {{head.stem + ".gguf", std::move(layout.header), layout.bytes}};
}

std::unique_ptr<CheckpointWriter> create_gguf(const std::filesystem::path& folder, const CheckpointHead& head) {
  Layout layout = lay_out(head);
  std::vector<OutputFile> files;
  files.push_back(create_sized_file(folder / (head.stem + ".gguf"), layout.header, layout.bytes));
  return make_positional_writer(std::move(files), std::move(layout.tensors));
}

}  // namespace quern
