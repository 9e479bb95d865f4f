// One sentence for each thing that people bring, with the next step.
#include "format/first_contact.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "quern/error.h"

namespace quern {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

std::string refusal(const fs::path& path) {
  try {
    open_checkpoint(path);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    return error.what();
  }
  return "opened";
}

struct FileCase {
  const char* name;
  std::string bytes;
  std::vector<std::string> parts;
};

std::string whisper_header(std::uint32_t vocabulary) {
  std::string bytes = "lmgg";
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(vocabulary >> shift);
  return bytes + std::string(40, '\1');
}

TEST(FirstContact, NamesAFileAndTheNextStep) {
  const FileCase cases[] = {
      {"m.onnx", "\x08\x08\x12\x07pytorch"s, {"an ONNX model", "exported from"}},
      {"m.tflite", "\x1c\0\0\0TFL3"s, {"a TFLite model", "exported from"}},
      {"lite.bin", "\x1c\0\0\0TFL3"s, {"a TFLite model"}},
      {"weights.h5", "\x89HDF\r\n\x1a\n"s, {"a Keras model", "from_tf=True"}},
      {"weights.hdf", "\x89HDF\r\n\x1a\n"s, {"an HDF5 file"}},
      {"m.keras", "PK\3\4"s, {"a Keras model"}},
      {"old.bin", "lmgg\0\x7d\0\0"s, {"from before GGUF", "convert"}},
      {"older.bin", "fmgg\1\0\0\0"s, {"from before GGUF"}},
      {"newer.bin", "tjgg\3\0\0\0"s, {"from before GGUF"}},
      {"ggml-base.en.bin", whisper_header(51864), {"Whisper", "whisper.cpp"}},
      {"ggml-large-v3.bin", whisper_header(51866), {"Whisper", "whisper.cpp"}},
      {"m.zip", "PK\3\4"s, {"an archive (ZIP)", "unpack"}},
      {"m.tar.gz", "\x1f\x8b\x08"s, {"an archive (gzip)", "unpack"}},
      {"m.tar", std::string(257, 'n') + "ustar\0"s, {"an archive (tar)", "unpack"}},
      {"m.7z", "7z\xbc\xaf\x27\x1c"s, {"an archive (7-Zip)", "unpack"}},
      {"m.safetensors.incomplete", "\x10"s, {"a download that is not complete", "download the file again"}},
      {"config.json", "{}", {"a text of JSON", "holds no weights", "open its folder"}},
      {"tokenizer.model", "\n\x0e", {"a tokenizer", "open its folder"}},
      {"tok512.bin", "\7\0\0\0\0\0\0\0"s, {"a tokenizer of llama2.c", "open its folder"}},
      {"LICENSE", "Permission is granted\n", {"is a text and holds no weights", "folder of a model"}},
      {"M.ONNX", "\x08\x08\x12\x07pytorch"s, {"an ONNX model"}},
      {"nothing.dat", "", {"is empty", "download it again"}},
  };
  const ScratchFolder scratch;
  for (const FileCase& c : cases) {
    scratch.write(c.name, c.bytes);
    const std::string message = refusal(scratch.path() / c.name);
    EXPECT_NE(message.find(c.name), std::string::npos) << message;
    for (const std::string& part : c.parts)
      EXPECT_NE(message.find(part), std::string::npos) << c.name << ": " << message;
  }
}

struct FolderCase {
  std::vector<std::string> files;
  std::vector<std::string> parts;
};

TEST(FirstContact, NamesAFolderAndTheNextStep) {
  const FolderCase cases[] = {
      {{}, {"an empty folder"}},
      {{"refs/main", "snapshots/0a1b/config.json"}, {"cache of the Hugging Face hub", "snapshots/0a1b"}},
      {{"models--acme--tiny/refs/main"}, {"the cache of the Hugging Face hub", "no repository", "download"}},
      {{"models--acme--tiny/refs/main", "models--acme--tiny/snapshots/0a1b/config.json", "version.txt"},
       {"the cache of the Hugging Face hub; open the snapshot in it: ", "m/models--acme--tiny/snapshots/0a1b"}},
      {{"hub/models--acme--tiny/snapshots/0a1b/config.json", "token"}, {"m/hub is the cache", "tiny/snapshots/0a1b"}},
      {{"models--a--b/snapshots/0a/config.json", "models--a--c/snapshots/0b/config.json"},
       {"open one of the snapshots in it: ", "models--a--b/snapshots/0a, ", "models--a--c/snapshots/0b"}},
      {{"model_index.json", "unet/x.safetensors", "vae/y.bin"}, {"diffusers", "unet, vae"}},
      {{"consolidated.00.pth", "params.json"}, {"Meta's own layout", "convert"}},
      {{"adapter_config.json", "adapter_model.safetensors"}, {"an adapter", "acme/base", "`adapter`"}},
      {{"config.json", "flax_model.msgpack"}, {"weights of Flax", "from_flax=True"}},
      {{"config.json", "tf_model.h5"}, {"a Keras model"}},
      {{"saved_model.pb", "variables/variables.index"}, {"SavedModel of TensorFlow"}},
      {{"config.json", "model.safetensors.incomplete"}, {"not complete", "download the file again"}},
      {{"sub/model.safetensors"}, {"no weights itself", "sub"}},
      {{"config.json"}, {"a config.json and no weights", "download"}},
      {{"model.onnx", "tokenizer.json"}, {"an ONNX model"}},
      {{"optimizer.pt", "config.json"}, {"optimizer.pt, the state of an optimizer, and no weights", "saved beside it"}},
      {{"a.pt", "b.pt", "c.pt", "optimizer.pt"}, {"3 model files (a.pt, b.pt, ...)", "name one of them"}},
      {{"Last.PTH", "best.pth"}, {"2 model files (Last.PTH, best.pth)", "name one of them"}},
  };
  for (const FolderCase& c : cases) {
    const ScratchFolder scratch;
    fs::create_directory(scratch.path() / "m");
    for (const std::string& file : c.files) {
      fs::create_directories((scratch.path() / "m" / file).parent_path());
      scratch.write("m/" + file, file == "adapter_config.json"
                                     ? "{\"peft_type\": \"LORA\", \"base_model_name_or_path\": \"acme/base\"}"
                                 : file == "refs/main" ? "0a1b\n"
                                                       : "{}");
    }
    const std::string message = refusal(scratch.path() / "m");
    for (const std::string& part : c.parts) EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

TEST(FirstContact, SaysHowAHubIdIsDownloaded) {
  const std::string message = refusal("meta-llama/Llama-2-7b-hf");
  EXPECT_NE(message.find("hf download meta-llama/Llama-2-7b-hf"), std::string::npos);
  for (const char* path : {"nosuch", "/no/such", "./no/such", "no/model.safetensors", "../no"})
    EXPECT_EQ(refusal(path), path + " does not exist"s);
}

TEST(FirstContact, OpensTheOnlyFileOfWeightsInAFolder) {
  const ScratchFolder scratch;
  fs::create_directory(scratch.path() / "m");
  const fs::path npz = fs::path(QUERN_TESTDATA) / "format" / "npz" / "all.npz";
  fs::copy(npz, scratch.path() / "m" / "weights.npz");
  for (const char* beside : {"m/tok512.bin", "m/optimizer.pt", "m/tokenizer.model", "m/model.onnx"})
    scratch.write(beside, "no weights that are read");
  EXPECT_EQ(open_checkpoint(scratch.path() / "m").tensors().size(), open_checkpoint(npz).tensors().size());
  fs::copy(npz, scratch.path() / "m" / "more.npz");
  EXPECT_NE(refusal(scratch.path() / "m").find("2 model files (more.npz, weights.npz)"), std::string::npos);
}

TEST(FirstContact, AnAdapterIsNoModel) {
  const ScratchFolder scratch;
  const fs::path folder = scratch.copy(fs::path(QUERN_TESTDATA) / "adapter" / "llama-bf16"),
                 weights = folder / "adapter_model.safetensors";
  fs::remove(folder / "merged.safetensors");
  const auto expect_parts = [](const std::string& message, std::initializer_list<std::string> parts) {
    for (const std::string& part : parts) EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect_parts(refusal(folder), {"holds an adapter (LORA)", "give this folder as `adapter`"});
  expect_parts(refusal(weights),
               {weights.string() + " is an adapter (LORA)", "give " + folder.string() + " as `adapter`"});
  fs::remove(folder / "adapter_config.json");
  expect_parts(refusal(folder), {"holds an adapter (PEFT) and no model", "give this folder as `adapter`"});
  EXPECT_GT(open_adapter_tensors(weights).tensors().size(), 0u);
}

// A safetensors file of F32 tensors [2, 2].
std::string file_of(std::initializer_list<const char*> names) {
  std::string header = "{", data;
  for (const char* name : names) {
    header += fmt::format("{}\"{}\":{{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[{},{}]}}",
                          data.empty() ? "" : ",", name, data.size(), data.size() + 16);
    data += std::string(16, '\0');
  }
  header += "}";
  std::string length;
  for (int shift = 0; shift < 64; shift += 8) length += static_cast<char>(header.size() >> shift);
  return length + header + data;
}

TEST(FirstContact, AModelWithAdaptersInItIsAModel) {
  const ScratchFolder scratch;
  const auto said = [&](std::initializer_list<const char*> names) {
    return refusal(scratch.write("m.safetensors", file_of(names)));
  };
  EXPECT_EQ(said({"a.parametrizations.weight.original", "a.parametrizations.weight.0.lora_A",
                  "a.parametrizations.weight.0.lora_B"}),
            "opened");
  EXPECT_EQ(said({"a.base_layer.weight", "a.lora_A.speech.weight", "a.lora_A.vision.weight", "a.lora_B.speech.weight",
                  "a.lora_B.vision.weight"}),
            "opened");
  EXPECT_EQ(said({"a.weight", "a.lora_alpha"}), "opened");
  EXPECT_NE(said({"a.lora_A.weight", "a.lora_B.weight"}), "opened");
  EXPECT_NE(said({"a.lora_a", "a.lora_b"}), "opened");
}

TEST(FirstContact, ACutLlama2cFileIsNamed) {
  const ScratchFolder scratch;
  // Of stories260K: 5 layers of width 64, 512 pieces, and no weight behind the header.
  const std::vector<std::int32_t> header = {64, 172, 5, 8, 4, 512, 512};
  const std::string bytes(reinterpret_cast<const char*>(header.data()), header.size() * sizeof(std::int32_t));
  const std::string said = what_it_is(scratch.write("stories.bin", bytes + std::string(5000, '\1')));
  for (const char* part : {"stories.bin looks like a llama2.c checkpoint", "5 layers of width 64", "512 pieces",
                           "has 1056540 bytes, and it has 5028", "cut short"})
    EXPECT_NE(said.find(part), std::string::npos) << said;
  EXPECT_EQ(what_it_is(scratch.write("noise.bin", std::string(5000, '\1'))), "");
}

TEST(FirstContact, ACutDownloadIsToBeFetchedAgain) {
  const ScratchFolder scratch;
  const fs::path files = fs::path(QUERN_TESTDATA) / "format";
  for (const char* name : {"all_types.gguf", "torch/views_legacy.th", "torch/views.pt", "all_dtypes.safetensors",
                           "npz/all.npz", "llama2c/v1.bin"}) {
    const fs::path copied = scratch.path() / fs::path(name).filename();
    fs::copy(files / name, copied);
    for (int part = 7; part > 0; --part) {
      fs::resize_file(copied, fs::file_size(files / name) * static_cast<std::uint64_t>(part) / 8);
      EXPECT_NE(refusal(copied).find("download "), std::string::npos) << part << "/8: " << refusal(copied);
    }
  }
}

}  // namespace
}  // namespace quern
