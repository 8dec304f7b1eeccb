"""A candidate: the settings of a tenant that a replay tries, and the folder of documents that it searches instead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config.loader import environment
from gateway.config.yaml_reader import YamlDocument, YamlReader, explain_unreadable
from schemas.errors import ConfigInvalid

KEYS = ("model", "models", "prompt", "voice", "knowledge", "routes")
_FORMAT = f"a candidate has the keys {', '.join(KEYS)}, each as in the configuration of a tenant"


@dataclass(frozen=True, slots=True)
class Candidate:
    """``overlay``: changes of the configuration. ``folder``: the documents to search instead of those in the tenant's
    own folder; None to search the published ones."""

    overlay: YamlDocument | None = None
    folder: Path | None = None


def read_candidate(path: Path, tenant: str) -> Candidate:
    """Read a candidate file. ``prompt`` is short for ``voice.instructions``. ``knowledge`` is a folder, relative to the
    file, or a mapping of settings with the folder as ``folder``. Raises ConfigInvalid."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(explain_unreadable(path, error), fix="check the path of the candidate") from error
    given = YamlReader(path.absolute(), environment()).read(text)
    if unknown := sorted(map(str, given.values.keys() - set(KEYS))):
        raise ConfigInvalid(f"{given.position_of((unknown[0],))}: unknown key {unknown[0]!r}", fix=_FORMAT)
    section: dict[str, Any] = {
        name: given.values[name] for name in ("model", "voice", "routes") if name in given.values
    }
    if "prompt" in given.values:
        section["voice"] = {**section.get("voice", {}), "instructions": given.values["prompt"]}
    folder, knowledge = _read_knowledge(path, given)
    section |= {"knowledge": knowledge} if knowledge else {}
    values: dict[str, Any] = {"tenants": {tenant: section}}
    values |= {"models": given.values["models"]} if "models" in given.values else {}
    positions = {("tenants", tenant, *place): position for place, position in given.positions.items() if place}
    positions |= {place: position for place, position in given.positions.items() if place[:1] == ("models",)}
    return Candidate(YamlDocument(values, positions, given.problems), folder)


def _read_knowledge(path: Path, given: YamlDocument) -> tuple[Path | None, dict[str, Any]]:
    value = given.values.get("knowledge")
    settings = dict(value) if isinstance(value, dict) else {"folder": value}
    named = settings.pop("folder", None)
    if named is None:
        return None, settings
    folder = (path.parent / str(named)).resolve()
    if not folder.is_dir():
        raise ConfigInvalid(f"{given.position_of(('knowledge',))}: there is no folder {folder}", fix=_FORMAT)
    return folder, settings
