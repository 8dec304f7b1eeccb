"""The trained intent model as a file, written by `parley route train` and read by every process that routes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from agent_worker.router.features import Numbers
from agent_worker.router.intents import IntentModel, ModelQuality
from schemas.errors import ConfigInvalid, SetupError

_FORMAT = 1
"""Increase it when the same examples would produce a file with a different format."""


def examples_version(examples: Mapping[str, Sequence[str]]) -> str:
    """A version that changes with the examples."""
    content = {name: sorted(set(examples[name])) for name in sorted(examples)}
    serialized = json.dumps([_FORMAT, content], ensure_ascii=False)
    return hashlib.sha256(serialized.encode()).hexdigest()


class ArtifactHeader(BaseModel):
    """The metadata in the file beside the arrays."""

    model_config = ConfigDict(frozen=True)

    version: str
    names: tuple[str, ...]
    sharpness: float
    floor: float
    encoder: str
    worth: ModelQuality


def save_model(path: Path, model: IntentModel, version: str, quality: ModelQuality) -> None:
    """Written atomically, because workers may be reading the previous file."""
    header = ArtifactHeader(
        version=version,
        names=model.names,
        sharpness=model.sharpness,
        floor=model.floor,
        encoder=model.encoder,
        worth=quality,
    )
    sink = io.BytesIO()
    text = np.frombuffer(header.model_dump_json().encode(), np.uint8)
    np.savez(sink, told=text, weights=model.weights.astype(np.float16), rarity=model.rarity)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(sink.getvalue())
    os.replace(draft, path)


def load_model(path: Path, version: str) -> IntentModel:
    """Raises SetupError when the file is missing or was made from other examples, ConfigInvalid when it is not a valid
    file."""
    header, weights, rarity = _read(path)
    if header.version != version:
        raise SetupError(f"{path} was learned from other examples", fix="run `parley route train` again")
    return IntentModel(header.names, weights.astype("float32"), rarity, header.sharpness, header.floor, header.encoder)


def is_current(path: Path, version: str, encoder: str) -> bool:
    try:
        header = _read(path)[0]
        return header.version == version and header.encoder == encoder
    except SetupError:
        return False


def _read(path: Path) -> tuple[ArtifactHeader, Numbers, Numbers]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return ArtifactHeader.model_validate_json(file["told"].tobytes()), file["weights"], file["rarity"]
    except FileNotFoundError as error:
        raise SetupError(
            f"{path} does not exist: no intents have been learned yet", fix="`parley route train`"
        ) from error
    except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigInvalid(f"{path}: not a file that `parley route train` has written", fix="run it again") from error
