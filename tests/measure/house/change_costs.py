"""The files that four typical changes touch, derived from the source as far as it tells.

A new part is compared with one that is there: whatever names every existing part has to name the new one too. Generated
files, fixtures, documents and examples are not counted."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.harness.source_tree import FUNCTION, Module, find_ports, implements, load_modules

NOT_COUNTED = (
    "docs/",
    "examples/",
    "tests/golden/",
    "gateway/scaffold/",
    "tests/channels/test_",  # what a channel does beside what every channel must
    "tests/scenarios/customers/",  # a simulated vendor adds a channel to the scenarios; no test asks for one
    "CHANGELOG.md",
    "README.md",
    "CONTRIBUTING.md",
)
BY_COMMAND = ("connectors/registry.py", "infra/deploy/kubernetes/")
"""Where `parley new channel` adds the channel."""
BINARY = (".png", ".svg", ".gz", ".npz", ".db", ".jpg", ".woff2")


@dataclass(frozen=True)
class Cost:
    """``written``: new files, as patterns where their names are free. ``edited``: existing files. ``optional``: files
    that are edited too, but only in the case ``when``; they are not counted."""

    change: str
    most: int
    written: tuple[str, ...]
    edited: tuple[str, ...]
    note: str = ""
    optional: tuple[str, ...] = ()
    when: str = ""

    @property
    def files(self) -> int:
        return len(self.written) + len(self.edited)


def change_costs(root: Path) -> list[Cost]:
    modules = load_modules(root)
    texts = dict(_texts(root))
    return [
        _channel(root, modules, texts),
        _source(modules, texts),
        _state_adapter(modules, texts),
        _outbound_field(modules, texts),
    ]


def _texts(root: Path) -> Iterator[tuple[str, str]]:
    """Path and text of every file that a change could have to touch."""
    for path in _files(root):
        if path.startswith(NOT_COUNTED) or path.endswith(BINARY) or "/fixtures/" in path:
            continue
        try:
            yield path, (root / path).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue


def _files(root: Path) -> list[str]:
    """The files of the tree; git's list where the tree is a checkout."""
    if (root / ".git").exists():
        listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True)
        return listed.stdout.splitlines()
    return [path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if path.is_file()]


# ── a channel ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _channel(root: Path, modules: Iterable[Module], texts: dict[str, str]) -> Cost:
    """Written: what `parley new channel` copies and somebody then fills in. Edited: whatever names every channel,
    other than what the command adds to."""
    channels = _dictionary(modules, "connectors/registry.py", "CHANNELS")
    copied = sorted((root / "gateway/scaffold/channel").iterdir())
    written = [
        f"connectors/telegram/{file.name.removesuffix('.txt')}"
        for file in copied
        if file.is_file() and file.suffix == ".txt" and file.read_text(encoding="utf-8").strip()
    ]
    own = tuple(f"connectors/{name}/" for name in channels)
    edited = [
        path for path, text in texts.items() if not path.startswith((*own, *BY_COMMAND)) and _names_each(text, channels)
    ]
    return Cost("a channel (Telegram)", 3, (*written, *_per_channel(texts, channels)), tuple(edited))


def _names_each(text: str, names: Iterable[str]) -> bool:
    """Whether the text has each of the names as a whole value: a string, an item of a list or a path."""
    return all(
        name in text and re.search(rf"""["'/\s]{re.escape(name)}(?=["'/\s,]|$)""", text, re.MULTILINE) for name in names
    )


def _per_channel(texts: dict[str, str], channels: Iterable[str]) -> list[str]:
    """Files outside the channels' folders that every vendor's channel has one of. The web has no vendor."""
    patterns: dict[str, set[str]] = {}
    vendors = set(channels) - {"web"}
    for path in texts:
        for name in vendors:
            place = re.sub(rf"(?<![a-z]){name}[a-z_]*(?=[/.])", "telegram", path)
            if place != path and not path.startswith((f"connectors/{name}/", *BY_COMMAND)):
                patterns.setdefault(place, set()).add(name)
    return sorted(place for place, found in patterns.items() if found == vendors)


# ── a source of documents ────────────────────────────────────────────────────────────────────────────────────────────


def _source(modules: Iterable[Module], texts: dict[str, str]) -> Cost:
    """Edited: the files that name every built-in source by its module."""
    known = [
        target.partition(":")[0]
        for target in _strings(modules, "agent_worker/sources/registry.py")
        if target.startswith("agent_worker.sources.") and ":" in target
    ]
    edited = [path for path, text in texts.items() if path.endswith(".py") and all(name in text for name in known)]
    return Cost(
        "a source of documents (Confluence)",
        2,
        ("agent_worker/sources/confluence.py",),
        tuple(edited),
        "a package that registers an entry point edits nothing",
    )


# ── a state adapter ──────────────────────────────────────────────────────────────────────────────────────────────────


STATE_PORTS = "schemas/ports/state.py"


def _state_adapter(modules: Iterable[Module], texts: dict[str, str]) -> Cost:
    """Written: one file per group of state ports, where the engine itself has those of the store as a whole
    (`schemas/ports/state.py`), and its schema; an ``__init__.py`` is empty. Edited: every module whose code names
    Redis, the list of dependencies and entry points, and the contract suite's list of engines, if it names Redis."""
    modules = tuple(modules)
    groups = sorted(_state_port_files(modules) - {STATE_PORTS})
    written = [f"infra/state/postgres/{Path(path).stem}.py" for path in groups]
    written += ["infra/state/postgres/engine.py", "infra/state/postgres/schema.py"]
    knows = re.compile(r"redis", re.IGNORECASE)
    edited = [
        module.path
        for module in modules
        if not module.path.startswith(("infra/state/redis/", "infra/deploy/"))
        and knows.search(module.text)
        and knows.search(_without_docstrings(module))
    ]
    edited += [path for path in texts if path == "pyproject.toml"]
    edited += [
        path
        for path, text in texts.items()
        if path.startswith("tests/contracts/state/")
        and path.endswith(("conftest.py", "engines.py"))
        and "redis" in text
    ]
    ports = find_ports(modules)
    today = [
        module.path
        for module in modules
        if module.path.startswith("infra/state/redis/") and implements(module, _state_ports(modules, ports))
    ]
    note = f"the Redis adapter has {len(today)} files with ports for {len(groups) + 1} port groups"
    return Cost("a state adapter (Postgres)", 8, tuple(written), tuple(edited), note)


def _state_annotations(modules: Iterable[Module]) -> set[str]:
    """The ports that ``State`` collects."""
    tree = next(module.tree for module in modules if module.path == STATE_PORTS)
    state = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "State")
    return {ast.unparse(node.annotation) for node in state.body if isinstance(node, ast.AnnAssign)}


def _state_ports(modules: Iterable[Module], ports: Iterable) -> list:  # type: ignore[type-arg]
    names = _state_annotations(modules)
    return [port for port in ports if port.name in names]


def _state_port_files(modules: tuple[Module, ...]) -> set[str]:
    return {port.path for port in _state_ports(modules, find_ports(modules))}


# ── a field of the outbound message ──────────────────────────────────────────────────────────────────────────────────

SAMPLE = frozenset({"citations", "choices", "attachments", "in_reply_to"})
"""Fields that travel from the draft to what the contact's page shows."""
CHECKS_OF_ANSWERS = ("agent_worker/knowledge/quality/", "agent_worker/learning/evals/", "gateway/evals/")
"""Packages that look at answers, and are not on their way."""


def _outbound_field(modules: Iterable[Module], texts: dict[str, str]) -> Cost:
    """Edited: files that declare two of the sample's fields in one class, or hand two of them on by name. Those of a
    vendor's channel do so only for fields that they show, and those that check answers only for fields that they
    check; without them a field travels from the draft to the web page."""
    edited = [module.path for module in modules if any(_carries(node) for node in module.nodes)]
    declared = re.compile(r"^\s*(?:readonly )?(\w+)\??:", re.MULTILINE)
    edited += [
        path
        for path, text in texts.items()
        if path.endswith(".ts") and not path.endswith(".d.ts") and len(SAMPLE & set(declared.findall(text))) > 1
    ]
    vendors = _dictionary(modules, "connectors/registry.py", "CHANNELS").keys() - {"web"}
    optional = *(f"connectors/{name}/" for name in vendors), *CHECKS_OF_ANSWERS
    shown = [path for path in edited if path.startswith(optional)]
    return Cost(
        "a field of the outbound message",
        6,
        (),
        tuple(path for path in edited if path not in shown),
        "from the agent's draft to the web page",
        tuple(shown),
        "a vendor's channel shows the field, or a check looks at it",
    )


def _carries(node: ast.AST) -> bool:
    if isinstance(node, ast.ClassDef):
        return len({ast.unparse(each.target) for each in node.body if isinstance(each, ast.AnnAssign)} & SAMPLE) > 1
    if isinstance(node, ast.Call):
        return len({each.arg for each in node.keywords if each.arg and _reads(each.value, each.arg)} & SAMPLE) > 1
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        keys = {key.value for key, value in pairs if isinstance(key, ast.Constant) and _reads(value, str(key.value))}
        return len(keys & SAMPLE) > 1
    return False


def _reads(value: ast.expr, field: str) -> bool:
    """Whether the value is made of an attribute of the field's name."""
    return any(isinstance(node, ast.Attribute) and node.attr == field for node in ast.walk(value))


# ── reading the source ───────────────────────────────────────────────────────────────────────────────────────────────


def _dictionary(modules: Iterable[Module], path: str, name: str) -> dict[str, str]:
    tree = next(module.tree for module in modules if module.path == path)
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name and node.value is not None:
            found: dict[str, str] = ast.literal_eval(node.value)
            return found
    raise LookupError(f"{path} has no {name}")


def _strings(modules: Iterable[Module], path: str) -> list[str]:
    tree = next(module.tree for module in modules if module.path == path)
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _without_docstrings(module: Module) -> str:
    """The code alone: no comments, and no docstrings of fields either."""
    tree = ast.parse(module.text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTION)):
            node.body = [each for each in node.body if not _is_text(each)] or [ast.Pass()]
    return ast.unparse(tree)


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
