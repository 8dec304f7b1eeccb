"""Check of a base model in a folder: whether it may be trained, and whether what comes out of it can be served."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson

from agent_worker.learning.finetune.training_example import TrainingModel
from schemas.errors import SetupError

PERMISSIVE = frozenset({"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "cc0-1.0", "openmdw-1.0"})
"""Licences under which a trained model may be used for any purpose."""
SERVED = frozenset(
    {
        *("LlamaForCausalLM", "MistralForCausalLM", "MixtralForCausalLM", "Phi3ForCausalLM", "OlmoForCausalLM"),
        *("Qwen2ForCausalLM", "Qwen3ForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM", "Olmo2ForCausalLM"),
    }
)
"""Architectures of which vLLM and llama.cpp serve LoRA adapters."""
_LICENCE = re.compile(r"^license:\s*[\"']?([\w.+-]+)", re.MULTILINE | re.IGNORECASE)
_APACHE, _MIT = "Apache License", "Permission is hereby granted, free of charge"


class ModelFolder(TrainingModel):
    folder: str
    architecture: str
    licence: str


def read_base_model(folder: Path, accepted: str = "") -> ModelFolder:
    """The model in the folder. ``accepted``: a licence whose conditions somebody has read and accepted. Raises
    SetupError if it may not be trained, or could not be served."""
    config = _read_json(folder / "config.json")
    if config is None:
        raise SetupError(f"{folder} has no config.json", fix="name the folder of a model in the format of transformers")
    architecture = next(iter(config.get("architectures") or []), "")
    if architecture not in SERVED:
        raise SetupError(
            f"{folder.name} is a {architecture or 'model of an unknown architecture'}, whose adapters cannot be served",
            fix=f"choose one of: {', '.join(sorted(SERVED))}",
        )
    if config.get("quantization_config"):
        raise SetupError(f"{folder.name} is quantized", fix="train the original, and quantize it for serving")
    if not any(folder.glob("*.safetensors")):
        raise SetupError(f"{folder.name} has no weights in safetensors", fix="convert them with save_pretrained")
    if not _has_chat_template(folder):
        raise SetupError(f"{folder.name} has no chat template", fix="choose the variant that follows instructions")
    licence = read_licence(folder)
    if licence not in PERMISSIVE and (not licence or licence != accepted.casefold()):
        fix = f"read it, and name it with --accept-licence {licence}" if licence else "choose a model with a licence"
        raise SetupError(f"the licence of {folder.name} may forbid it: {licence or 'none is named'}", fix=fix)
    return ModelFolder(folder=str(folder), architecture=architecture, licence=licence)


def read_licence(folder: Path) -> str:
    """The licence that the model's card or its licence file names; empty if neither does."""
    card = folder / "README.md"
    found = _LICENCE.search(card.read_text(encoding="utf-8", errors="replace")) if card.exists() else None
    if found is not None:
        return found[1].casefold()
    text = "".join(
        path.read_text(encoding="utf-8", errors="replace")[:2000] for path in sorted(folder.glob("LICENSE*"))
    )
    return "apache-2.0" if _APACHE in text else "mit" if _MIT in text else ""


def _has_chat_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").exists():
        return True
    return bool((_read_json(folder / "tokenizer_config.json") or {}).get("chat_template"))


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
