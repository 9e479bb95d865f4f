#!/usr/bin/env python3
"""testdata/package/general_keys.json: general.* keys as gguf-py's Metadata writes them from a card, a configuration and generation settings.

Needs gguf (tools/peer_requirements.txt). Run from the project's root: tools/make_general_keys_fixtures.py
The folder is called by its model's id, as the converter finds it after a download; `hub_id` says so to the test."""
import json
import pathlib
import tempfile

import gguf

COUNTS = {"small": (6816000, 6816000, 0, 0), "mixture": (15000000, 3000000, 1500000, 8), "large": (6738415616, 6738415616, 0, 0)}
CARDS = {
    "full": "---\nlicense: other\nlicense_name: house-terms\nlicense_link: LICENSE\nlanguage:\n- en\n- \"no\"\npipeline_tag: text-generation\n"
            "tags: [tiny, 'a, b']\nbase_model: acme/Base-7B-v0.1\ndatasets:\n- acme/Stories\n- https://example.org/texts\n"
            "model-index:\n- name: x\n  results:\n  - task: t\n---\n# Title\n",
    "named": "---\nmodel_name: My Fine Model\nmodel_creator: Ann Author\nmodel_type: llama\nversion: v3\nbase_model:\n- https://huggingface.co/acme/Other-13b-chat\n"
             "- acme/Merge-Base-3_5b\nurl: https://example.org/m\ndescription: >\n  folded\n  text\nlanguages: de\n---\n",
    "none": "# no front matter\nlicense: mit\n",
}
IDS = ["acme/Tiny-Llama-7M-Instruct-v1.0", "acme/tiny--llama", "Mixtral-8x7B-Instruct-v0.1", "bloom-7b1", "acme/Phi-3-mini-128k-instruct", "acme/a b", "gpt2-XL",
       "acme/Qwen3-30B-A3B-fp16-large", "x-0.5b-0.5B-chat", "acme/llama-v2-7b-q4_K-small-lora", "falcon-40b-iter2"]
CASES = ([("full", id_, "small", {}, {}) for id_ in IDS] +
         [("named", "acme/m", "large", {}, {"temperature": 0.6, "top_k": 20, "top_p": 0.95, "min_p": 0, "penalty_repeat": 1.05, "mirostat": 2, "eos_token_id": 3}),
          ("none", "acme/Llama-2-7b-chat-hf", "large", {}, {}),
          ("none", None, "large", {"_name_or_path": "meta-llama/Llama-2-7b-hf"}, {}),
          ("none", None, "mixture", {"_name_or_path": "/a/path/to/mixed"}, {})])


def keys_of(card, folder, counts, config, generation):
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / "nameless"
        path.mkdir()
        (path / "README.md").write_text(card)
        (path / "config.json").write_text(json.dumps({**config, **({"_name_or_path": folder} if folder else {})}))
        (path / "generation_config.json").write_text(json.dumps(generation))
        metadata = gguf.Metadata.load(None, path, None, counts[0])
        if metadata.name == "Nameless":
            metadata.name = None
        if metadata.size_label is None and counts[0] > 0:
            metadata.size_label = gguf.size_label(*counts)
        writer = gguf.GGUFWriter(None, "llama")
        nameless = metadata.name is None
        metadata.name = metadata.name or ""
        metadata.set_gguf_meta_model(writer)
        keys = {key: {"type": value.type.name, "value": value.value} for key, value in writer.kv_data[0].items() if key.startswith("general.") and key != "general.architecture"}
        if nameless:
            keys.pop("general.name", None)
        return keys


cases = [{"card": CARDS[card], "hub_id": id_ or "", "counts": COUNTS[counts], "config": config, "generation": generation,
          "keys": keys_of(CARDS[card], id_, COUNTS[counts], config, generation)} for card, id_, counts, config, generation in CASES]
out = pathlib.Path("testdata/package/general_keys.json")
out.parent.mkdir(exist_ok=True)
out.write_text(json.dumps(cases, indent=1) + "\n")
