"""The product's source as parsed modules, for the tests of its architecture and the figures of ``make house``."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from tests.harness.processes import ROOT

PACKAGES = ("schemas", "infra", "connectors", "agent_worker", "gateway")
QUESTION_WORDS = ("what", "who", "how", "which", "where", "whether")
Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class FunctionImport:
    """An import statement inside a function. ``module`` is what it imports from."""

    path: str
    line: int
    module: str


@dataclass(frozen=True)
class Module:
    """A parsed file. ``path`` is relative to the root of its tree."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """The tree's nodes in the order of ``ast.walk``, which takes longer than most that is asked of them."""
        return tuple(ast.walk(self.tree))

    @property
    def name(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def stem(self) -> str:
        return self.path.rpartition("/")[2].removesuffix(".py")

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @property
    def opens_with_question(self) -> bool:
        """Whether the docstring begins with a word such as What or Who."""
        words = (ast.get_docstring(self.tree) or "").replace("'", " ").replace("’", " ").split(maxsplit=1)
        return bool(words) and words[0].lower().rstrip(",:") in QUESTION_WORDS

    def function_imports(self) -> list[FunctionImport]:
        if not any(isinstance(node, ast.Import | ast.ImportFrom) and node.col_offset for node in self.nodes):
            return []
        found = {
            (node.lineno, imported): FunctionImport(self.path, node.lineno, imported)
            for function in self.nodes
            if isinstance(function, FUNCTION)
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for imported in _import_sources(node)
        }
        return [found[place] for place in sorted(found)]

    def typing_imports(self) -> int:
        """How many import statements stand under ``if TYPE_CHECKING``."""
        return sum(
            isinstance(node, ast.Import | ast.ImportFrom)
            for branch in self.nodes
            if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
            for node in branch.body
        )

    def imports(self, known: frozenset[str]) -> set[str]:
        """The modules among ``known`` that this one imports anywhere, itself left out."""
        found: set[str] = set()
        for node in self.nodes:
            for source in _import_sources(node):
                names = [f"{source}.{each.name}" for each in node.names] if isinstance(node, ast.ImportFrom) else []
                submodules = {name for name in names if name in known}
                found |= submodules
                if source in known and (not submodules or len(submodules) < len(names)):
                    found.add(source)
        return found - {self.name}


def _import_sources(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [each.name for each in node.names] if isinstance(node, ast.Import) else []


def load_modules(root: Path = ROOT, folders: Iterable[str] = PACKAGES) -> tuple[Module, ...]:
    """Every Python file under ``folders``, parsed once per process."""
    return _load(root, tuple(folders))


@lru_cache(maxsize=8)
def _load(root: Path, folders: tuple[str, ...]) -> tuple[Module, ...]:
    files = sorted(file for folder in folders for file in (root / folder).rglob("*.py"))
    return tuple(Module(file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")) for file in files)


def find_importers(modules: Iterable[Module]) -> Mapping[str, set[str]]:
    """The names of the modules that import each module."""
    modules = tuple(modules)
    known = frozenset(module.name for module in modules)
    importers: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        for imported in module.imports(known):
            importers[imported].add(module.name)
    return importers


def public_functions(body: Iterable[ast.stmt]) -> Iterator[Function]:
    """The functions of a module or class that are not private."""
    yield from (node for node in body if isinstance(node, FUNCTION) and not node.name.startswith("_"))


@dataclass(frozen=True)
class Port:
    """A protocol of ``schemas/ports``. ``path`` is the file that declares it."""

    name: str
    path: str
    methods: frozenset[str]


def find_ports(modules: Iterable[Module]) -> list[Port]:
    return [
        Port(node.name, module.path, _methods(node))
        for module in modules
        if module.path.startswith("schemas/ports/")
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases)
    ]


def _methods(node: ast.ClassDef) -> frozenset[str]:
    return frozenset(function.name for function in node.body if isinstance(function, FUNCTION))


def implements(module: Module, ports: Iterable[Port]) -> set[str]:
    """The names of the ports whose methods one class of the module has."""
    classes = [_methods(node) for node in module.tree.body if isinstance(node, ast.ClassDef)]
    return {port.name for port in ports if port.methods and any(port.methods <= methods for methods in classes)}
