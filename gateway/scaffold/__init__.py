"""Creation of channels, actions and projects from templates.

Template files end in ``.txt`` if linters and tests would otherwise treat them as the product's own. In the copy of a
channel its name replaces ``newchannel``.
"""

from __future__ import annotations

import keyword
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from schemas.errors import Conflict, InvalidRequest

CHANNEL_TEMPLATE = Path(__file__).with_name("channel")
PROJECT_TEMPLATES = Path(__file__).with_name("projects")
REGISTRY = Path("connectors", "registry.py")
KUBERNETES = Path("infra", "deploy", "kubernetes")
CHANNEL_NAME = re.compile(r"[a-z][a-z0-9]{1,29}")
ACTION_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
_CHANNEL_LIST = re.compile(r"(^CHANNELS: dict\[str, str\] = \{\n(?:    .*\n)*)(?=\}\n)", re.MULTILINE)
_RESOURCES = re.compile(r"^(?:# - |  - )channels/\w+\n(?!(?:# - |  - )channels/)", re.MULTILINE)
"""The last channel among the resources of the Kubernetes folder."""


def new_channel(name: str, checkout: Path) -> list[Path]:
    """Create ``connectors/<name>``, its line in the registry, and the Kubernetes folder of its workers. Returns all
    files, relative to ``checkout``.

    Raises InvalidRequest (invalid name, no checkout) or Conflict (the channel exists). Nothing is changed then."""
    if not CHANNEL_NAME.fullmatch(name) or keyword.iskeyword(name):
        fix = "use 2-30 of a-z and 0-9, beginning with a letter: the name is part of URLs, topics and Python modules"
        raise InvalidRequest(f"{name!r} cannot be a channel's name", fix=fix)
    registry, folder = checkout / REGISTRY, checkout / "connectors" / name
    if not registry.is_file():
        raise InvalidRequest(
            f"{checkout} is not a checkout of Parley", fix="run this in one, or name it with --checkout"
        )
    listed = _CHANNEL_LIST.search(text := registry.read_text(encoding="utf-8"))
    if listed is None:
        raise InvalidRequest(f"{registry} has no list CHANNELS", fix="restore the list from Parley's repository")
    if f'"{name}":' in listed[1]:
        raise Conflict(
            f"there is a channel {name} already", fix=f"choose another name, or remove its line from {registry}"
        )
    if folder.exists() or folder.with_suffix(".py").exists():
        raise Conflict(f"connectors/{name} exists already", fix="choose another name, or move it away")
    _copy_channel(name, folder)
    line = f'    "{name}": "connectors.{name}",\n'
    registry.write_text(text[: listed.end(1)] + line + text[listed.end(1) :], encoding="utf-8")
    files = sorted(path.relative_to(checkout) for path in folder.rglob("*") if path.is_file())
    return [REGISTRY, *files, *_add_workers(name, checkout)]


def _add_workers(name: str, checkout: Path) -> list[Path]:
    """Add the channel's workers to the Kubernetes manifests, switched off like those of every channel but the web."""
    overview, workers = KUBERNETES / "kustomization.yaml", KUBERNETES / "channels" / name / "kustomization.yaml"
    text = (checkout / overview).read_text(encoding="utf-8")
    listed = _RESOURCES.search(text)
    if listed is None:
        raise InvalidRequest(f"{overview} lists no channels", fix="restore the list from Parley's repository")
    (checkout / overview).write_text(
        f"{text[: listed.end()]}# - channels/{name}\n{text[listed.end() :]}", encoding="utf-8"
    )
    template = Path(__file__).with_name("kustomization.txt").read_text(encoding="utf-8")
    (checkout / workers).parent.mkdir()
    (checkout / workers).write_text(template.replace("newchannel", name), encoding="utf-8")
    return [overview, workers]


def new_action(name: str, folder: Path) -> Path:
    """Create an action that works. Returns its file. Raises InvalidRequest or Conflict; nothing is changed then."""
    if not ACTION_NAME.fullmatch(name) or keyword.iskeyword(name):
        fix = "use 2-40 of a-z, 0-9 and '_', beginning with a letter: the name is also that of a Python function"
        raise InvalidRequest(f"{name!r} cannot be an action's name", fix=fix)
    target = folder / f"{name}.py"
    text = Path(__file__).with_name("action.txt").read_text(encoding="utf-8")
    model = "".join(part.capitalize() for part in name.split("_"))
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text.replace("newaction", name).replace("Newaction", model))
    except FileExistsError:
        raise Conflict(f"{target} exists already", fix="choose another name, or move it away") from None
    except OSError as error:
        raise InvalidRequest(
            f"cannot write {target}: {error.strerror}", fix="choose another folder with --folder"
        ) from error
    return target


def new_project(template: str, folder: Path) -> list[Path]:
    """Create a project in ``folder``: a configuration, documents and an action. Returns the files.

    Raises Conflict if one of the files exists, and InvalidRequest if the folder cannot be written."""
    source = PROJECT_TEMPLATES / template
    files = sorted(path for path in source.rglob("*") if path.is_file())
    targets = [folder / _target_path(path.relative_to(source)) for path in files]
    if taken := [path for path in targets if path.exists()]:
        raise Conflict(f"{taken[0]} exists already", fix="choose another folder, or move the file away")
    try:
        for path, target in zip(files, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    except OSError as error:
        fix = "choose a folder that can be written"
        raise InvalidRequest(f"cannot write {error.filename}: {error.strerror}", fix=fix) from error
    return targets


def _target_path(path: Path) -> Path:
    """The name of a template's file in a project: Python files end in ``.txt`` in the template."""
    return path.with_suffix(".py") if path.suffix == ".txt" else path


def _copy_channel(name: str, folder: Path) -> None:
    """Copy the template of a channel. The folder appears complete, or not at all."""
    unfinished = folder.with_name(f".{name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        for path, text in _template_files():
            target = unfinished / path
            target.parent.mkdir(parents=True, exist_ok=True)
            named = text.replace("newchannel", name).replace("Newchannel", name.capitalize())
            target.write_text(named.replace("NEWCHANNEL", name.upper()), encoding="utf-8")
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _template_files() -> Iterator[tuple[str, str]]:
    for path in CHANNEL_TEMPLATE.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(CHANNEL_TEMPLATE)).removesuffix(".txt"), path.read_text(encoding="utf-8")
