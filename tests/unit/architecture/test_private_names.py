"""Tests use what a module shows: names that begin with an underscore are for the module or class that has them."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from tests.harness.source_tree import Module, load_modules

PRIVATE = re.compile(r"_(?!_)\w+")
DOCUMENTED = frozenset({"_replace", "_asdict", "_fields", "_exit"})
"""Public in spite of the underscore: of named tuples, and ``os._exit``."""
LIBRARIES = {
    ("tests/contracts/bus/kafka_members.py", "_get_actions_per_node"): "a defect of aiokafka can be made nowhere else",
    ("tests/harness/faulty_disk.py", "_sqlite3"): "the file of the library that the sqlite3 module has loaded",
    ("tests/harness/worst_case_texts.py", "_constants"): "the parse tree of a regular expression has no public form",
    ("tests/harness/worst_case_texts.py", "_parser"): "the parse tree of a regular expression has no public form",
    ("tests/harness/websockets.py", "_conn"): "aiohttp shows nobody its transport",
}
"""Insides of libraries, which have no public way to the same end."""
LIBRARIES_IN_PRODUCT = {
    (
        "infra/bus/kafka/consumers.py",
        "_fetcher",
    ): "a fetch loop that has died returns nothing, without an error",
    ("infra/bus/kafka/consumers.py", "_coordinator"): "a commit without the generation would not be fenced",
    ("infra/bus/kafka/consumers.py", "_client"): "a consumer that fails while it stops leaves its connections open",
    ("infra/bus/kafka/writer.py", "_message_accumulator"): "a closed producer would send old records after newer ones",
}
"""Private parts of aiokafka that guarantees need and that have no public counterpart: see ADR 52."""
PACKAGES = ("schemas", "infra", "connectors", "agent_worker", "gateway")
PATCHES = frozenset({"setattr", "delattr", "getattr", "hasattr", "patch", "object", "update", "vars"})


@dataclass
class ClassNames:
    """The private names that a class of the tests defines, and the names of its bases."""

    defined: set[str] = field(default_factory=set)
    bases: set[str] = field(default_factory=set)


def find_private_uses(modules: Sequence[Module]) -> Iterator[tuple[str, str, int]]:
    """Path, name and line of each use of a private name that belongs to something else."""
    classes = collect_classes(modules)
    for module in modules:
        for line, name in _uses(module.tree, classes, ""):
            if name not in DOCUMENTED:
                yield module.path, name, line


def collect_classes(modules: Iterable[Module]) -> Mapping[str, ClassNames]:
    """By the classes' names alone: classes of the same name are taken together."""
    found: dict[str, ClassNames] = defaultdict(ClassNames)
    for node in (node for module in modules for node in module.nodes if isinstance(node, ast.ClassDef)):
        names = found[node.name]
        names.bases |= {ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases}
        for inner in ast.walk(node):
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                names.defined.add(inner.name)
            elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                names.defined.add(inner.id)
            elif isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store) and _is_own(inner.value):
                names.defined.add(inner.attr)
            elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                names.defined.add(inner.value)  # of __slots__
    return found


def _uses(node: ast.AST, classes: Mapping[str, ClassNames], inside: str) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.ClassDef):
        inside = node.name
    elif isinstance(node, ast.Attribute) and PRIVATE.fullmatch(node.attr):
        if not (inside and _is_own(node.value) and node.attr in _defined(classes, inside)):
            yield node.lineno, node.attr
    elif isinstance(node, ast.Import | ast.ImportFrom | ast.Call | ast.Subscript):
        yield from ((node.lineno, name) for name in _named(node) if PRIVATE.fullmatch(name))
    for child in ast.iter_child_nodes(node):
        yield from _uses(child, classes, inside)


def _named(node: ast.Import | ast.ImportFrom | ast.Call | ast.Subscript) -> list[str]:
    """The names that an import, a patch such as ``setattr(x, "name", …)``, or ``vars(x)["name"]`` speaks of."""
    if isinstance(node, ast.ImportFrom):
        return [*(node.module or "").split("."), *(each.name for each in node.names)]
    if isinstance(node, ast.Import):
        return [part for each in node.names for part in each.name.split(".")]
    if isinstance(node, ast.Subscript):
        is_vars = isinstance(node.value, ast.Call) and _called(node.value) == "vars"
        return _words([node.slice]) if is_vars else []
    return [*_words(node.args[:2]), *(each.arg or "" for each in node.keywords)] if _called(node) in PATCHES else []


def _words(nodes: Iterable[ast.expr]) -> list[str]:
    texts = [each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return [part for text in texts for part in text.split(".")]


def _is_own(value: ast.expr) -> bool:
    """``self``, ``cls`` or ``super()``."""
    if isinstance(value, ast.Call):
        return _called(value) == "super"
    return isinstance(value, ast.Name) and value.id in ("self", "cls")


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _defined(classes: Mapping[str, ClassNames], name: str) -> set[str]:
    """What the class and its bases define, as far as these are classes of the tests."""
    names, seen, waiting = set[str](), set[str](), [name]
    while waiting:
        if (each := waiting.pop()) in classes and each not in seen:
            seen.add(each)
            names |= classes[each].defined
            waiting += classes[each].bases
    return names


def test_no_test_reaches_into_private_names() -> None:
    used = [*find_private_uses(load_modules(folders=("tests",)))]
    assert [use for use in used if use[:2] not in LIBRARIES] == []
    assert LIBRARIES.keys() - {use[:2] for use in used} == set(), "these are not needed any more"


def test_the_product_uses_no_private_names_of_libraries() -> None:
    """Nor those of another module: a private name is defined where it is used, or in a base class."""
    modules = load_modules(folders=PACKAGES)
    defined = {(module.path, name) for module in modules for name in _defined_in(module)}
    used = {use[:2] for use in find_private_uses(modules)} - defined
    assert used == LIBRARIES_IN_PRODUCT.keys()


def _defined_in(module: Module) -> Iterator[str]:
    """Names that functions, classes, assignments and ``__slots__`` of a module define."""
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_own(node.value):
            yield node.attr


@pytest.mark.parametrize(
    "source",
    [
        "sender._pause()",
        "from infra.blobs import _clean",
        "from infra._blobs import clean",
        "import infra._blobs",
        "monkeypatch.setattr(blobs, '_write', None)",
        "patch('infra.blobs.StoredBlobs._write')",
        "vars(sender)['_pause']",
        "vars(sender).update(_pause=None)",
        "class Kafka(LocalKafka):\n    def port(self):\n        return self._port",
        "class Kafka(LocalKafka):\n    def port(self):\n        return super()._port()",
        "class One:\n    def __init__(self, other):\n        self._x = other._x",
    ],
)
def test_a_use_of_a_private_name_is_found(source: str) -> None:
    assert len([*find_private_uses([Module("tests/test_x.py", source)])]) == 1


@pytest.mark.parametrize(
    "source",
    [
        "class One:\n    def __init__(self):\n        self._x = self._made()\n    def _made(self): ...",
        "class One:\n    _x: int\nclass Two(One):\n    def x(self):\n        return self._x",
        "def _help(): ...\n_help()",
        "point._replace(x=1)",
        "module.__dict__",
        "monkeypatch.setattr(blobs, 'write', '_write')",
    ],
)
def test_names_of_ones_own_and_public_names_are_not_found(source: str) -> None:
    assert [*find_private_uses([Module("tests/test_x.py", source)])] == []
