"""What was learned, as a file: made by `parley route train`, read by every process that routes."""

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
from agent_worker.router.intents import IntentModel, Worth
from schemas.errors import ConfigInvalid, SetupError

_FORM = 1
"""Rises when the same examples would give a file that is read in another way."""


def stamp(examples: Mapping[str, Sequence[str]]) -> str:
    """The version of what is learned from these examples: another one for any others."""
    content = {name: sorted(set(examples[name])) for name in sorted(examples)}
    whole = json.dumps([_FORM, content], ensure_ascii=False)
    return hashlib.sha256(whole.encode()).hexdigest()


class Told(BaseModel):
    """What stands in the file beside the numbers."""

    model_config = ConfigDict(frozen=True)

    version: str
    names: tuple[str, ...]
    sharpness: float
    floor: float
    encoder: str
    worth: Worth


def save(path: Path, model: IntentModel, version: str, worth: Worth) -> None:
    """Whole or not at all: workers may be reading the one before."""
    told = Told(
        version=version,
        names=model.names,
        sharpness=model.sharpness,
        floor=model.floor,
        encoder=model.encoder,
        worth=worth,
    )
    sink = io.BytesIO()
    text = np.frombuffer(told.model_dump_json().encode(), np.uint8)
    np.savez(sink, told=text, weights=model.weights.astype(np.float16), rarity=model.rarity)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(sink.getvalue())
    os.replace(draft, path)


def load(path: Path, version: str) -> IntentModel:
    """Raises SetupError when it was made from other examples or is not there, ConfigInvalid when it is no such file."""
    told, weights, rarity = _read(path)
    if told.version != version:
        raise SetupError(f"{path} was learned from other examples", fix="`parley route train` learns anew")
    return IntentModel(told.names, weights.astype("float32"), rarity, told.sharpness, told.floor, told.encoder)


def is_current(path: Path, version: str, encoder: str) -> bool:
    try:
        told = _read(path)[0]
        return told.version == version and told.encoder == encoder
    except SetupError:
        return False


def _read(path: Path) -> tuple[Told, Numbers, Numbers]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return Told.model_validate_json(file["told"].tobytes()), file["weights"], file["rarity"]
    except FileNotFoundError as error:
        raise SetupError(f"{path} is not there: nothing was learned yet", fix="`parley route train`") from error
    except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigInvalid(f"{path}: not what `parley route train` writes", fix="run it again") from error
