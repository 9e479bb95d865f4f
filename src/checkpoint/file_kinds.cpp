// The table of names of files. Names with a prefix stand before those of their suffix.
#include "checkpoint/file_kinds.h"

#include <algorithm>
#include <string>

#include "base/names.h"
#include "checkpoint/hf_folder.h"

namespace quern {
namespace {

using Holds = FileKind::Holds;

constexpr std::string_view kOriginal = "open the checkpoint that it was exported from (safetensors, GGUF or PyTorch)";
constexpr std::string_view kUnpack = "unpack it and open the model in it";
constexpr std::string_view kDownload = "finish it, or download the file again";
constexpr std::string_view kToTorch =
    "save it as safetensors: transformers' from_pretrained(..., from_tf=True or from_flax=True), then save_pretrained";
constexpr std::string_view kSave = "save them as safetensors with that program";
constexpr std::string_view kMetas =
    "convert them with transformers' script for them, or open the repository whose name ends in -hf";
constexpr std::string_view kOfTraining = "open the model that was saved beside it";
constexpr std::string_view kFolder = "open its folder", kModelsFolder = "open the folder of a model";

constexpr FileKind kKinds[] = {
    {"consolidated.", ".pth", "weights in Meta's own layout", Holds::kOther, kMetas},
    {"consolidated.", ".pt", "weights in Meta's own layout", Holds::kOther, kMetas},
    {"optimizer", ".pt", "the state of an optimizer", Holds::kOther, kOfTraining},
    {"optimizer", ".bin", "the state of an optimizer", Holds::kOther, kOfTraining},
    {"scheduler", ".pt", "the state of a training", Holds::kOther, kOfTraining},
    {"scheduler", ".bin", "the state of a training", Holds::kOther, kOfTraining},
    {"scaler", ".pt", "the state of a training", Holds::kOther, kOfTraining},
    {"rng_state", ".pth", "the state of a training", Holds::kOther, kOfTraining},
    {"training_args", ".bin", "the settings of a training", Holds::kOther, kOfTraining},
    {"saved_model", ".pb", "a SavedModel of TensorFlow", Holds::kOther, kToTorch},
    {"model.ckpt", ".index", "a checkpoint of TensorFlow 1", Holds::kOther, kToTorch},

    {"", ".safetensors", "weights", Holds::kModel, {}},
    {"", ".gguf", "a GGUF file", Holds::kModel, {}},
    {"", ".bin", "weights of PyTorch or llama2.c", Holds::kModel, {}},
    {"", ".pt", "weights of PyTorch", Holds::kModel, {}},
    {"", ".pth", "weights of PyTorch", Holds::kModel, {}},
    {"", ".th", "weights of PyTorch", Holds::kModel, {}},
    {"", ".ckpt", "weights of PyTorch", Holds::kModel, {}},
    {"", ".jit", "a program of TorchScript", Holds::kModel, {}},
    {"", ".ptl", "a program of TorchScript", Holds::kModel, {}},
    {"", ".npz", "arrays of NumPy", Holds::kModel, {}},

    {"", ".onnx", "an ONNX model", Holds::kOther, kOriginal},
    {"", ".onnx_data", "the weights of an ONNX model", Holds::kOther, kOriginal},
    {"", ".ort", "a model of ONNX Runtime", Holds::kOther, kOriginal},
    {"", ".tflite", "a TFLite model", Holds::kOther, kOriginal},
    {"", ".pt2", "a program that torch.export wrote", Holds::kOther, kOriginal},
    {"", ".pte", "a program of ExecuTorch", Holds::kOther, kOriginal},
    {"", ".mlmodel", "a model of Core ML", Holds::kOther, kOriginal},
    {"", ".mlpackage", "a model of Core ML", Holds::kOther, kOriginal},
    {"", ".engine", "an engine of TensorRT, made for one GPU", Holds::kOther, kOriginal},
    {"", ".data", "the data of a model in another format", Holds::kOther, kOriginal},
    {"", ".ggml", "a ggml file from before GGUF", Holds::kOther,
     "open the original, or convert it with the scripts of a llama.cpp of that time and then open the GGUF file"},
    {"", ".keras", "a Keras model", Holds::kOther, kToTorch},
    {"", ".h5", "a Keras model", Holds::kOther, kToTorch},
    {"", ".hdf5", "an HDF5 file, as Keras writes its weights", Holds::kOther, kToTorch},
    {"", ".msgpack", "weights of Flax", Holds::kOther, kToTorch},
    {"", ".pb", "a graph of TensorFlow", Holds::kOther, kToTorch},
    {"", ".ckpt.index", "a checkpoint of TensorFlow 1", Holds::kOther, kToTorch},
    {"", ".pdparams", "weights of PaddlePaddle", Holds::kOther, kSave},
    {"", ".params", "weights of MXNet", Holds::kOther, kSave},
    {"", ".weights", "weights of Darknet", Holds::kOther, kSave},
    {"", ".caffemodel", "weights of Caffe", Holds::kOther, kSave},
    {"", ".ot", "weights of tch, PyTorch's binding to Rust", Holds::kOther, kSave},
    {"", ".npy", "a single array of NumPy", Holds::kOther, "write the arrays under their names by numpy.savez (.npz)"},
    {"", ".pkl", "a pickle", Holds::kOther,
     "save the model's state_dict() by torch.save; what torch.save wrote opens by the name of the file"},
    {"", ".pickle", "a pickle", Holds::kOther,
     "save the model's state_dict() by torch.save; what torch.save wrote opens by the name of the file"},
    {"", ".parquet", "a table of data", Holds::kOther, kModelsFolder},

    {"", ".nemo", "an archive of NeMo", Holds::kOther, kUnpack},
    {"", ".gz", "an archive (gzip)", Holds::kOther, kUnpack},
    {"", ".bz2", "an archive (bzip2)", Holds::kOther, kUnpack},
    {"", ".xz", "an archive (xz)", Holds::kOther, kUnpack},
    {"", ".zst", "an archive (zstd)", Holds::kOther, kUnpack},
    {"", ".tar", "an archive (tar)", Holds::kOther, kUnpack},
    {"", ".7z", "an archive (7-Zip)", Holds::kOther, kUnpack},
    {"", ".rar", "an archive (RAR)", Holds::kOther, kUnpack},
    {"", ".zip", "an archive (ZIP)", Holds::kOther, kUnpack},

    {"", ".incomplete", "a download that is not complete", Holds::kOther, kDownload},
    {"", ".part", "a download that is not complete", Holds::kOther, kDownload},
    {"", ".crdownload", "a download that is not complete", Holds::kOther, kDownload},
    {"", ".aria2", "a download that is not complete", Holds::kOther, kDownload},
    {"", ".bak", "a copy that was put aside", Holds::kOther, "give it the name that it had"},

    {"", ".json", "a text of JSON", Holds::kNothing, kFolder},
    {"", ".txt", "a text", Holds::kNothing, kModelsFolder},
    {"", ".md", "a text", Holds::kNothing, kModelsFolder},
    {"", ".jinja", "a chat template", Holds::kNothing, kFolder},
    {"", ".model", "a tokenizer of sentencepiece or tiktoken", Holds::kNothing, kFolder},
    {"", ".tiktoken", "a tokenizer of tiktoken", Holds::kNothing, kFolder},
};
constexpr FileKind kScoreList = {"", ".bin", "a tokenizer of llama2.c", Holds::kNothing, kFolder};

}  // namespace

std::span<const FileKind> file_kinds() { return kKinds; }

const FileKind* kind_of_file(const std::filesystem::path& path) {
  const std::string name = small_letters(path.filename().string());
  if (is_score_list_name(name)) return &kScoreList;
  const auto found = std::ranges::find_if(
      kKinds, [&](const FileKind& kind) { return name.starts_with(kind.prefix) && name.ends_with(kind.suffix); });
  return found == std::end(kKinds) ? nullptr : &*found;
}

bool is_named_as_model(const std::filesystem::path& path) {
  const FileKind* kind = kind_of_file(path);
  return kind && kind->holds == FileKind::Holds::kModel;
}

bool may_hold_weights(const std::filesystem::path& path) {
  const FileKind* kind = kind_of_file(path);
  return kind && kind->holds != FileKind::Holds::kNothing;
}

}  // namespace quern
