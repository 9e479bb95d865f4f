"""What other programs read in the files that Quern reads: {name: array} of every tensor in floats, by the program's own code.

Programs that take long to install are not run: what they decoded lies beside the files, as tools/make_packed_fixtures.py and
tools/make_adapter_fixtures.py recorded it.
"""

import importlib.metadata
import importlib.util
import pathlib
import warnings
import zipfile

import numpy as np

ROWS, COLUMNS = 8, 256  # of an embedding
TEXT = pathlib.Path(__file__).resolve().parent.parent / "texts/eval.txt"
# Types of safetensors whose values are floats.
FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}


def version(package):
    return f"{package} {importlib.metadata.version(package)}"


def is_installed(package):
    return importlib.util.find_spec(package) is not None


def values_of(dtype, shape, data):
    if dtype == "BF16":
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    return np.frombuffer(data, FLOATS[dtype]).reshape(shape)


def safetensors(path):
    """Of a file, or of all files in a folder."""
    import safetensors as package
    found = {}
    for file in sorted(path.glob("*.safetensors")) if path.is_dir() else [path]:
        for name, tensor in package.deserialize(file.read_bytes()):
            if tensor["dtype"] in ("BF16", *FLOATS):
                found[name] = values_of(tensor["dtype"], tensor["shape"], bytes(tensor["data"]))
    return found


def beside(path, name="expected.safetensors"):
    """What the program that packed a folder decoded it to."""
    return safetensors(path / name)


def numpy(path):
    """Arrays of floats; those that only a pickle could read are left out, as everywhere."""
    found, archive = {}, np.load(path)
    for name in archive.files:
        try:
            array = archive[name]
        except ValueError:
            continue
        if getattr(array, "dtype", np.dtype("V1")).kind == "f":
            found[name] = array
    return found


def gguf_types():
    """(name, a function that writes a file) of each type that the package decodes: a Llama of one layer whose embedding has that type."""
    import gguf as package
    for kind, (weights, size) in package.GGML_QUANT_SIZES.items():
        blocks = np.random.default_rng(1).integers(0, 256, (2 * ROWS * COLUMNS // weights, size), dtype=np.uint8)
        try:
            with np.errstate(all="ignore"):
                finite = np.isfinite(package.dequantize(blocks, kind)).all(1)
        except NotImplementedError:
            continue
        embedding = blocks[finite][:ROWS * COLUMNS // weights].reshape(ROWS, -1)
        yield kind.name, lambda path, data=embedding, kind=kind: write_llama(path, data, kind)


def write_llama(path, embedding, kind):
    import gguf as package
    writer = package.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(COLUMNS)
    writer.add_feed_forward_length(32)
    writer.add_head_count(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tensor("token_embd.weight", embedding, raw_dtype=kind)
    square = {f"blk.0.attn_{part}.weight": (COLUMNS, COLUMNS) for part in ("q", "k", "v", "output")}
    for name, shape in {**square, "blk.0.ffn_gate.weight": (32, COLUMNS), "blk.0.ffn_up.weight": (32, COLUMNS),
                        "blk.0.ffn_down.weight": (COLUMNS, 32), "blk.0.attn_norm.weight": (COLUMNS,), "blk.0.ffn_norm.weight": (COLUMNS,),
                        "output_norm.weight": (COLUMNS,)}.items():
        writer.add_tensor(name, np.ones(shape, "f4"))
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()


def gguf_embedding(path):
    import gguf as package
    tensor = next(tensor for tensor in package.GGUFReader(path).tensors if tensor.name == "token_embd.weight")
    return {"model.embed_tokens.weight": package.dequantize(tensor.data, tensor.tensor_type).reshape(ROWS, COLUMNS)}


def source_of_gguf(path):
    """The folder of transformers that llama.cpp's converter made a file of."""
    return safetensors(path.with_suffix(""))


def llama2c(path):
    """The model that a fixture was exported from, the int8 of layout 2 as its script decodes them; any other file of layout 0 as run.c
    takes it apart."""
    from describe_real_files import of_llama2c
    exported = {"v2": "v2", "v1": "head", "v0-head": "head", "v1-tied": "tied", "v0": "tied"}.get(path.stem)
    if exported:
        return safetensors(path.parent / f"{exported}.safetensors")
    return {name: np.frombuffer(data, "<f4").reshape(shape) for name, (_, shape, data) in of_llama2c(path).items()}


def torch(path):
    """Nothing of a pickle is run: files of classes of their own are not among those that are compared."""
    import torch as package
    from describe_torch_files import tensors_in
    found = {}
    for file in sorted(path.glob("*.bin")) if path.is_dir() else [path]:
        is_script = zipfile.is_zipfile(file) and any("/code/" in name for name in zipfile.ZipFile(file).namelist())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = package.jit.load(file) if is_script else package.load(file, map_location="cpu", weights_only=True)
        for name, tensor in tensors_in(value).items():
            tensor = tensor.dequantize() if tensor.is_quantized else tensor.detach()
            if tensor.dtype in (package.float16, package.bfloat16, package.float32, package.float64):
                found[name] = tensor.to(package.float64).numpy()
    return found


def base_of(adapter):
    return adapter.parents[1] / "runtime" / (adapter / "base.txt").read_text().strip()


def merged(path):
    """The base with the tensors that PEFT's merge changed."""
    return safetensors(base_of(path)) | safetensors(path / "merged.safetensors")


def ids_of_tokenizers(path):
    import tokenizers
    text = TEXT.read_bytes()
    return text, [], tokenizers.Tokenizer.from_file(str(path)).encode(text.decode(), add_special_tokens=False).ids


def ids_of_sentencepiece(path):
    import sentencepiece
    text = TEXT.read_bytes()
    return text, [], sentencepiece.SentencePieceProcessor(str(path / "tokenizer.model")).encode(text.decode())


def ids_of_llama_cpp(path):
    """Of the texts that its repository has beside each vocabulary."""
    rows, separator = path.with_suffix(".gguf.out").read_text().split("\n"), "\n__ggml_vocab_test__\n"
    return (path.with_suffix(".gguf.inp").read_bytes().removesuffix(separator.encode()), [separator],
            [number for row in rows[:-1] for number in [*map(int, row.split()), -1]])
