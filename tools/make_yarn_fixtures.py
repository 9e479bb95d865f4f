#!/usr/bin/env python3
"""testdata/model/yarn.json: inverse frequencies and attention factors of YaRN by transformers.

usage: make_yarn_fixtures.py        needs transformers, torch
"""

import json
import pathlib

import transformers
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

OUT = pathlib.Path(__file__).resolve().parent.parent / "testdata" / "model" / "yarn.json"
CASES = [
    dict(head_dim=64, theta=10000.0, context=4096, scaling=dict(factor=4.0, original_max_position_embeddings=1024)),
    dict(head_dim=128, theta=1000000.0, context=131072, scaling=dict(factor=4.0, original_max_position_embeddings=32768)),
    dict(head_dim=16, theta=500.0, context=1024, scaling=dict(factor=4.0, original_max_position_embeddings=256, beta_fast=16.0, beta_slow=2.0)),
    dict(head_dim=32, theta=10000.0, context=8192, scaling=dict(factor=8.0, original_max_position_embeddings=1024, attention_factor=1.5)),
    dict(head_dim=64, theta=10000.0, context=8192, scaling=dict(factor=40.0, original_max_position_embeddings=4096, mscale=0.707, mscale_all_dim=1.0)),
    dict(head_dim=64, theta=150000.0, context=131072, scaling=dict(factor=32.0, original_max_position_embeddings=4096, truncate=False)),
]


def case(head_dim, theta, context, scaling):
    rope = {"rope_type": "yarn", "rope_theta": theta, **scaling}
    config = transformers.LlamaConfig(hidden_size=2 * head_dim, num_attention_heads=2, head_dim=head_dim,
                                      max_position_embeddings=context, rope_parameters=dict(rope))
    frequencies, attention = ROPE_INIT_FUNCTIONS["yarn"](config, "cpu")
    return {"head_dim": head_dim, "context": context, "rope": rope, "attention_factor": attention,
            "inverse_frequencies": frequencies.tolist()}


OUT.write_text(json.dumps([case(**c) for c in CASES], indent=1) + "\n")
