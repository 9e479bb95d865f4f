"""What is mutated: folders with a good input in them, which of their files changes, and the commands that read it."""

import json
import pathlib
import shutil
from dataclasses import dataclass

import mutate_archive
import mutate_bytes
import mutate_gguf
import mutate_json
import mutate_protobuf
import mutate_safetensors
import mutate_text
import small_model

ROOT = small_model.ROOT
DATA = ROOT / "testdata"
TEXT = "One day the miller's cat saw a big red ball. It was a very good day, and the sun was warm.\n\n" * 12

INSPECT = ("inspect", "model")
TENSORS = ("inspect", "model", "--tensors", "--json")
DRY = ("compress", "model", "-o", "out", "--dry-run", "--threads", "1")
DRY_GGUF = (*DRY, "--scheme", "q8_0")
WRITE = ("compress", "model", "-o", "out", "--scheme", "f32", "--threads", "1", "-q")
SIMPLE = ("compress", "model", "-o", "out", "--threads", "1", "-q")
EVAL = ("eval", "model", "--text", "text.txt", "--window-length", "8", "--windows", "1", "--threads", "1", "-q")
RUN = ("run", "model", "-p", "One day", "-n", "2", "--threads", "1", "-q")


@dataclass(frozen=True)
class Seed:
    """folder: copied for every process; target: the file in it that changes, by `change` (draw, bytes -> bytes) or as bytes."""
    name: str
    folder: pathlib.Path
    target: str
    change: object
    commands: tuple
    weight: int = 1


def folder(place, name):
    made = place / name
    made.mkdir(parents=True)
    (made / "text.txt").write_text(TEXT)
    return made


def named(command, file):
    """The command with another model."""
    return tuple(file if word == "model" else word for word in command)


def checkpoints(quern, place):
    """The small Llama, whole and in shards, and what lies beside its weights."""
    here = folder(place, "llama")
    model = small_model.write(here / "model")
    (model / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": False}, "pad_token": None, "add_bos_token": True,
         "model_max_length": 256, "added_tokens_decoder": {"0": {"content": "<unk>", "special": True}}, "chat_template": "{{ messages }}"}, indent=1))
    (model / "special_tokens_map.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}))
    (model / "chat_template.jinja").write_text("{% for m in messages %}\n{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}\n")
    (model / "LICENSE").write_text("Use it as you like.\n")
    yield Seed("safetensors", here, "model/model.safetensors", mutate_safetensors.change, (INSPECT, DRY, SIMPLE, EVAL), 6)
    yield Seed("config.json", here, "model/config.json", mutate_json.change, (INSPECT, DRY, DRY_GGUF, EVAL), 6)
    yield Seed("generation_config.json", here, "model/generation_config.json", mutate_json.change, (DRY_GGUF, RUN), 2)
    yield Seed("tokenizer_config.json", here, "model/tokenizer_config.json", mutate_json.change, (DRY_GGUF, EVAL, SIMPLE), 3)
    yield Seed("special_tokens_map.json", here, "model/special_tokens_map.json", mutate_json.change, (DRY_GGUF, SIMPLE))
    yield Seed("chat_template.jinja", here, "model/chat_template.jinja", mutate_text.change, (DRY_GGUF, SIMPLE))
    yield Seed("LICENSE", here, "model/LICENSE", mutate_text.change, (SIMPLE,))
    yield Seed("tokenizer.model", here, "model/tokenizer.model", mutate_protobuf.change, (DRY_GGUF, EVAL), 4)
    yield Seed("text", here, "text.txt", mutate_text.change, (EVAL, (*DRY_GGUF, "--calib", "text.txt")), 3)
    here = folder(place, "shards")
    small_model.write(here / "model", shards=2)
    yield Seed("shard index", here, "model/model.safetensors.index.json", mutate_json.change, (INSPECT, DRY, EVAL), 3)
    yield Seed("shard", here, "model/model-00002-of-00002.safetensors", mutate_safetensors.change, (INSPECT, DRY, EVAL), 2)


def options(quern, place):
    """Files that options name, and packages: the good ones are made by the program itself."""
    here = folder(place, "options")
    small_model.write(here / "model")
    statistics = ("--calib", "text.txt", "--calib-windows", "2", "--optimizer", "weighted")
    made = quern.run("compress", "model", "-o", "package", "--scheme", "q8_0", *statistics, "-q", cwd=here)
    integers = quern.run("compress", "model", "-o", "integers", "-q", cwd=here)
    if made.code or integers.code:
        raise SystemExit(f"no package could be made to begin with:\n{made.text()}{integers.text()}")
    shutil.copy(here / "package/statistics.gguf", here / "imatrix.gguf")
    (here / "plan.json").write_text(json.dumps(json.loads((here / "integers/manifest.json").read_text())["plan"], indent=1))
    (here / "map.json").write_text(json.dumps([{"match": "attn.v", "codec": "f16"}, {"match": "*mlp*", "codec": "q4_0", "optimizer": "rtn", "optional": False},
                                               {"match": "re:.*k_proj.*", "codec": "q8_0", "optional": True}]))
    yield Seed("plan", here, "plan.json", mutate_json.change, ((*DRY, "--plan", "plan.json"),), 4)
    yield Seed("precision map", here, "map.json", mutate_json.change, ((*DRY_GGUF, "--precision-map", "map.json"),), 3)
    yield Seed("importance matrix", here, "imatrix.gguf", mutate_gguf.change, ((*DRY_GGUF, "--imatrix", "imatrix.gguf"),), 2)
    for package in ("package", "integers"):
        yield Seed(f"manifest of {package}", here, f"{package}/manifest.json", mutate_json.change, (("verify", package, "--threads", "1"),), 3)
    name, = (f"package/{path.name}" for path in (here / "package").glob("*.gguf") if path.name != "statistics.gguf")
    yield Seed("GGUF", here, name, mutate_gguf.change, (named(INSPECT, name), named(DRY_GGUF, name), named(EVAL, name), named(WRITE, name)), 6)
    for file, change in (("model.safetensors", mutate_safetensors.change), ("config.json", mutate_json.change)):
        yield Seed(f"{file} of integers", here, f"integers/{file}", change, tuple(named(c, "integers") for c in (INSPECT, EVAL, WRITE)), 2)
    here = folder(place, "adapter")
    shutil.copytree(DATA / "runtime/tiny-llama-bias", here / "model")
    shutil.copytree(DATA / "adapter/llama-bf16", here / "adapter")
    commands = ((*WRITE, "--adapter", "adapter"), (*DRY, "--adapter", "adapter"))
    yield Seed("adapter_config.json", here, "adapter/adapter_config.json", mutate_json.change, commands, 2)
    yield Seed("adapter weights", here, "adapter/adapter_model.safetensors", mutate_safetensors.change, commands, 2)


def tokenizers(quern, place):
    files = {path: "tokenizer.json" for path in [*sorted(DATA.glob("text/*.tokenizer.json")), *sorted(DATA.glob("text/pipelines/[buw]*.json"))]}
    for path, name in files.items():
        here = folder(place, f"tokenizer-{path.stem}")
        small_model.write(here / "model", layers=1, vocabulary=1200)
        (here / "model/tokenizer.model").unlink()
        shutil.copy(path, here / "model" / name)
        yield Seed(f"tokenizer.json ({path.name.split('.')[0]})", here, f"model/{name}", mutate_json.change, (EVAL, DRY_GGUF))
    document = json.loads((DATA / "text/gpt2.tokenizer.json").read_text())["model"]
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in document["merges"]]
    lists = {"vocab.json": (json.dumps(document["vocab"]).encode(), mutate_json.change), "merges.txt": ("\n".join(merges).encode(), mutate_text.change)}
    here = folder(place, "tokenizer-lists")
    small_model.write(here / "model", layers=1, vocabulary=1200)
    (here / "model/tokenizer.model").unlink()
    for name, (data, _) in lists.items():
        (here / "model" / name).write_bytes(data)
    for name, (_, change) in lists.items():
        yield Seed(name, here, f"model/{name}", change, (EVAL, DRY_GGUF), 2)
    for source, name in (("ranks.tiktoken", "ranks.tiktoken"), ("tokenizer.bin", "tokenizer.bin")):
        here = folder(place, f"tokenizer-{name}")
        small_model.write(here / "model", layers=1, vocabulary=1200)
        (here / "model/tokenizer.model").unlink()
        shutil.copy(DATA / "text/pipelines" / source, here / "model" / name)
        yield Seed(name, here, f"model/{name}", mutate_text.change if name.endswith("tiktoken") else mutate_bytes.change, (EVAL, DRY_GGUF))
    here = folder(place, "tokenizer-vocab")
    small_model.write(here / "model", layers=1)
    (here / "model/tokenizer.model").unlink()
    (here / "model/vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz.,'", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz")]))
    yield Seed("vocab.txt", here, "model/vocab.txt", mutate_text.change, (EVAL, DRY_GGUF))


def single_files(quern, place):
    """Files of other programs."""
    kinds = [("gguf", mutate_gguf.change, sorted(DATA.glob("model/*.gguf")), (INSPECT, DRY, WRITE)),
             ("gguf", mutate_gguf.change, [DATA / "format/all_values.gguf", DATA / "format/all_types.gguf", DATA / "format/aligned_64.gguf"], (TENSORS, WRITE)),
             ("pt", mutate_archive.change, sorted(DATA.glob("format/torch/*.pt")), (TENSORS, SIMPLE)),
             ("th", mutate_archive.pickle, sorted(DATA.glob("format/torch/*.th")), (TENSORS, SIMPLE)),
             ("npz", mutate_archive.change, sorted(DATA.glob("format/npz/*.npz")), (TENSORS, SIMPLE)),
             ("bin", mutate_bytes.change, sorted(DATA.glob("format/llama2c/*.bin")), (TENSORS, WRITE)),
             ("safetensors", mutate_safetensors.change, [DATA / "format/all_dtypes.safetensors"], (TENSORS, SIMPLE))]
    for kind, change, paths, commands in kinds:
        for path in paths:
            here = folder(place, f"file-{path.name}")
            shutil.copy(path, here / path.name)
            yield Seed(f"{kind} ({path.stem})", here, path.name, change, tuple(named(command, path.name) for command in commands))


def quantized(quern, place):
    """Layouts of other programs: what their configuration says of the packed tensors."""
    for source in [*sorted(DATA.glob("packed/*")), DATA / "format/packed_int4", DATA / "format/packed_int8", DATA / "format/bitsandbytes"]:
        here = folder(place, f"{source.parent.name}-{source.name}")
        shutil.copytree(source, here / "model", ignore=shutil.ignore_patterns("expected*", "*.f32"))
        for path in sorted((here / "model").iterdir()):
            change = {".json": mutate_json.change, ".safetensors": mutate_safetensors.change, ".bin": mutate_archive.change}[path.suffix]
            yield Seed(f"{path.name} ({source.name})", here, f"model/{path.name}", change, (TENSORS, SIMPLE, WRITE))


def families(quern, place):
    """Configurations and weights of the other architectures."""
    for source in sorted(path.parent for path in DATA.glob("runtime/*/config.json")):
        here = folder(place, f"family-{source.name}")
        shutil.copytree(source, here / "model", ignore=shutil.ignore_patterns("golden*", "options.json"))
        for path in sorted((here / "model").iterdir()):
            change = {"config.json": mutate_json.change, "model.safetensors": mutate_safetensors.change}.get(path.name)
            if change:
                yield Seed(f"{path.name} ({source.name})", here, f"model/{path.name}", change, (INSPECT, DRY, DRY_GGUF))


def all_seeds(quern, place):
    return [seed for group in (checkpoints, options, tokenizers, single_files, quantized, families) for seed in group(quern, place)]
