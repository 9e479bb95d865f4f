#!/usr/bin/env python3
"""Loads a compressed folder with stock transformers and prints how far its logits are from the original's on a fixed prompt.

Usage: check_transformers_load.py COMPRESSED ORIGINAL [--max-difference X]
"""
import argparse
import sys

import torch
from transformers import AutoModelForCausalLM

PROMPT = torch.arange(1, 65)[None]  # token ids that every vocabulary has


def load(folder):
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    problems = {kind: sorted(map(str, names)) for kind, names in info.items() if names}
    return model.eval(), problems


def logits_of(model):
    with torch.no_grad():
        return model(PROMPT).logits.float()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("compressed")
    parser.add_argument("original")
    parser.add_argument("--max-difference", type=float, default=float("inf"))
    options = parser.parse_args()
    model, problems = load(options.compressed)
    got, want = logits_of(model), logits_of(load(options.original)[0])
    difference = (got - want).abs().max().item()
    agreement = (got.argmax(-1) == want.argmax(-1)).float().mean().item()
    print(f"problems while loading: {problems or 'none'}")
    print(f"largest logit {want.abs().max().item():.4f}, largest difference {difference:.6f}, same top token {agreement:.1%}")
    return 1 if problems or not difference <= options.max_difference else 0


if __name__ == "__main__":
    sys.exit(main())
