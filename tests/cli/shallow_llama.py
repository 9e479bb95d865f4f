"""models/llama-7m without its last layers: real matrices and a real vocabulary at a third of the time."""

import json
import pathlib
import re
import shutil

from quern_program import MODEL

LAYERS = 2
TENSORS = 9 * LAYERS + 2


def write(folder):
    """A checkpoint folder of the model's name."""
    folder = pathlib.Path(folder) / MODEL.name
    folder.mkdir(parents=True)
    config = json.loads((MODEL / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": LAYERS}))
    shutil.copy(MODEL / "tokenizer.model", folder)
    whole = (MODEL / "model.safetensors").read_bytes()
    begin = 8 + int.from_bytes(whole[:8], "little")
    kept, parts, end = {}, [], 0
    for name, tensor in json.loads(whole[8:begin]).items():
        layer = re.match(r"model\.layers\.(\d+)\.", name)
        if name == "__metadata__" or layer and int(layer[1]) >= LAYERS:
            continue
        parts.append(whole[begin + tensor["data_offsets"][0]:begin + tensor["data_offsets"][1]])
        kept[name] = tensor | {"data_offsets": [end, end + len(parts[-1])]}
        end += len(parts[-1])
    header = json.dumps(kept).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"".join(parts))
    return folder
