#!/usr/bin/env python3
"""LoRA adapters for the tiny models of testdata/runtime, and what PEFT's own merge makes of them.

Writes testdata/adapter/NAME/: adapter_config.json and adapter_model.safetensors as PEFT saves them, merged.safetensors
with every tensor that the merge changes, under the base's name and in its precision, and base.txt with the base's name.

usage: make_adapter_fixtures.py        needs peft==0.19.1, transformers==5.23.0, torch, safetensors
"""

import json
import pathlib
import shutil
import warnings

import peft
import torch
import transformers
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "testdata" / "adapter"

CASES = {
    "mistral-patterns": ("tiny-mistral", dict(
        r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], rank_pattern={"layers.1.self_attn.v_proj": 2},
        alpha_pattern={"down_proj": 3}, use_rslora=True)),
    "mistral-dora": ("tiny-mistral", dict(
        r=2, lora_alpha=4, target_modules=["o_proj", "up_proj"], use_dora=True, modules_to_save=["lm_head"])),
    "gpt2-conv1d": ("tiny-gpt2", dict(
        r=3, lora_alpha=6, target_modules=["c_attn", "wte"], fan_in_fan_out=True)),
    "gpt2-dora": ("tiny-gpt2", dict(
        r=2, lora_alpha=2, target_modules=["c_fc"], fan_in_fan_out=True, use_dora=True)),
    "llama-bf16": ("tiny-llama-bias", dict(r=4, lora_alpha=16, target_modules=["k_proj", "gate_proj"])),
}


def perturb(model):
    """Second matrices begin at zero: everything that is trained gets seeded numbers."""
    torch.manual_seed(7)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if tensor.requires_grad:
                scale = 0.05 * tensor.float().std().nan_to_num(0) + 0.02
                tensor.add_(scale.to(tensor.dtype) * torch.randn_like(tensor))


def make(name, base, settings):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    load = lambda: transformers.AutoModelForCausalLM.from_pretrained(ROOT / "testdata" / "runtime" / base, dtype="auto")
    before = load().state_dict()
    model = peft.get_peft_model(load(), peft.LoraConfig(task_type="CAUSAL_LM", **settings))
    perturb(model)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "acme/" + base
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    merged = peft.PeftModel.from_pretrained(load(), folder).merge_and_unload().state_dict()
    changed = {key: value.contiguous().clone() for key, value in merged.items()
               if not torch.equal(value, before[key]) and not (base == "tiny-gpt2" and key == "lm_head.weight")}
    save_file(changed, folder / "merged.safetensors")
    (folder / "base.txt").write_text(base + "\n")
    for file in folder.iterdir():
        file.chmod(0o644)
    print(name, sorted(changed))


warnings.filterwarnings("ignore")
for case, (base_name, options) in CASES.items():
    make(case, base_name, options)
