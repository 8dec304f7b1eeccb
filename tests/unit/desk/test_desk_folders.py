"""The desk's READMEs lead to every one of its modules, and its folders know only what they may."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

from connectors.desk.contents import Content
from connectors.slack.desk.desk import RENDERERS
from tests.harness.processes import ROOT

DESK, SLACK = ROOT / "connectors" / "desk", ROOT / "connectors" / "slack" / "desk"
ALLOWED: dict[str, set[str]] = {"": set(), "inbound": set(), "commands": set(), "posts": set()}
"""By folder of the desk, the others that it may import; all of them know the modules beside the folders."""


def modules(folder: Path) -> set[str]:
    found = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.py") if path.stem != "__init__")
    return {str(path) for path in found}


@pytest.mark.parametrize("folder", [DESK, SLACK], ids=["any desk", "slack"])
def test_every_module_stands_there_once(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    named = [
        name for row in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE) for name in re.findall(r"`([\w/]+)`", row)
    ]
    assert sorted(named) == sorted(modules(folder))


def imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


def test_folders_of_the_desk_import_only_the_folders_they_may() -> None:
    """So each can be read by itself."""
    known = {
        (path.parent.relative_to(DESK).name, name.split(".")[2])
        for path in DESK.rglob("*.py")
        for name in imports(path)
        if name.startswith("connectors.desk.") and name.split(".")[2] in ALLOWED
    }
    crossing = {(folder, other) for folder, other in known if folder != other}
    assert crossing == {(folder, other) for folder, others in ALLOWED.items() for other in others}


def test_the_desk_imports_no_channel() -> None:
    names = {name for path in DESK.rglob("*.py") for name in imports(path)}
    channels = {path.parent.name for path in (ROOT / "connectors").glob("*/channel.py")}
    assert {"slack", "web"} <= channels
    assert not [name for name in names if name.startswith("connectors.") and name.split(".")[1] in channels]


def test_slack_renders_all_that_a_post_may_say() -> None:
    assert set(RENDERERS) == set(get_args(Content))
