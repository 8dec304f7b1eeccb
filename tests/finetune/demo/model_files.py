"""Conversion between llama.cpp's GGUF and the format of transformers, for SmolLM2 and its adapters."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import orjson
import torch
from gguf import GGUFWriter
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from tests.finetune.demo.model_weights import find_weights

_CARD = "---\nlicense: apache-2.0\n---\n# SmolLM2-135M-Instruct, by Hugging Face, with the weights of its Q4_1 file\n"
_PARTS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_NAME = re.compile(r"layers\.(\d+)\.([\w.]+)\.lora_([AB])\.weight$")


def write_base_model(weights: Path, folder: Path) -> None:
    """Write the model as a folder that can be trained. What transformers reads from GGUF counts as quantized and cannot
    be saved, so a new model takes over its weights."""
    loaded: Any = AutoModelForCausalLM.from_pretrained(weights.parent, gguf_file=weights.name, dtype=torch.float32)
    settings = {
        name: value
        for name, value in loaded.config.to_dict().items()
        if name not in ("quantization_config", "dtype", "torch_dtype")
    }
    model = LlamaForCausalLM(LlamaConfig(**settings))
    model.load_state_dict(loaded.state_dict())
    model.tie_weights()
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name).save_pretrained(folder)
    (folder / "README.md").write_text(_CARD)


def write_adapter(adapter: Path, base: Path, file: Path) -> None:
    """Write a LoRA adapter as GGUF. llama.cpp keeps the rows of queries and keys in another order."""
    config = orjson.loads((base / "config.json").read_bytes())
    alpha = orjson.loads((adapter / "adapter_config.json").read_bytes())["lora_alpha"]
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    writer = GGUFWriter(file, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(alpha))
    for name, tensor in load_file(adapter / "adapter_model.safetensors").items():
        found = _NAME.search(name)
        if found is None:
            raise SystemExit(f"{name} is no weight of an adapter")
        part = _PARTS[found[2]]
        if found[3] == "B" and part in heads:
            tensor = _reorder(tensor, heads[part])
        writer.add_tensor(f"blk.{found[1]}.{part}.weight.lora_{found[3].lower()}", tensor.float().contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _reorder(rows: Any, heads: int) -> Any:
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, rows.shape[1])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def main() -> None:
    """`base FOLDER`, or `adapter ADAPTER BASE FILE`."""
    command, *words = sys.argv[1:]
    paths = [Path(word) for word in words]
    if command == "base":
        write_base_model(find_weights(), paths[0])
    else:
        write_adapter(paths[0], paths[1], paths[2])


if __name__ == "__main__":
    main()
