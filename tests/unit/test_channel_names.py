"""Outside the connectors no vendor's channel is known by name: what channels can and need, they say themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from connectors.registry import CHANNELS
from connectors.whatsapp.channel import PROVIDERS

ROOT = Path(__file__).resolve().parents[2]
SHARED = ("schemas", "infra", "agent_worker", "gateway")
NAMES = frozenset(CHANNELS) - {"web"} | frozenset(PROVIDERS) | {"twilio"}
ALLOWED = {
    "schemas/topics.py": "the channel of the desk",
    "connectors/registry.py": "the one line a channel",
    "agent_worker/sources/website/links.py": "the tag of that name in a page of HTML",
}


def _docstrings(tree: ast.AST) -> set[int]:
    """Texts that are statements of their own say something to readers and decide nothing."""
    return {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def _named(source: str) -> Iterator[tuple[int, str]]:
    tree = ast.parse(source)
    said = _docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            if node.value.lower() in NAMES or node.value.lower().startswith(tuple(f"connectors.{n}" for n in NAMES)):
                yield node.lineno, node.value
        elif isinstance(node, ast.ImportFrom | ast.Import):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            for module in modules:
                if module.startswith("connectors.") and module.split(".")[1] in NAMES:
                    yield node.lineno, module


def _files() -> Iterator[Path]:
    for folder in SHARED:
        yield from (ROOT / folder).rglob("*.py")
    yield from (ROOT / "connectors").glob("*.py")
    yield from (ROOT / "connectors" / "desk").rglob("*.py")


def test_no_module_outside_a_channels_own_folder_names_a_vendors_channel() -> None:
    found = {
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in _files()
        if str(file.relative_to(ROOT)) not in ALLOWED
        for line, name in _named(file.read_text(encoding="utf-8"))
    }
    assert found == set()


def test_a_name_is_found_where_it_decides_and_not_where_it_explains() -> None:
    source = '"""slack"""\nfrom connectors.slack import channel\nif kind == "Twilio":\n    quiet = {"discord": 1}\n'
    assert [name for _, name in _named(source)] == ["connectors.slack", "Twilio", "discord"]


def test_every_allowed_place_exists() -> None:
    assert set(ALLOWED) == {name for name in ALLOWED if (ROOT / name).exists()}
