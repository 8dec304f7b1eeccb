"""Figures of a source tree that need no running code: folders, files, splinters, imports, ports, docstrings."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import median, quantiles

from tests.harness import lazy_imports
from tests.harness.source_tree import FUNCTION, PACKAGES, Module, find_importers, find_ports, implements, load_modules

FULL_FOLDER = 15
"""Modules that a folder may hold, ``__init__`` not counted."""
SPLINTER = 60
"""Lines below which a module with a single importer should be part of that importer."""
PLUG_INS = (
    "schemas/ports/*",
    "connectors/*/channel.py",
    "connectors/*/settings.py",
    "connectors/markup/dialects/*",
    "agent_worker/models/providers/*",
    "agent_worker/sources/*",
    "gateway/commands/*",
)
"""Modules that stand alone however small they are: ports, and what a registry loads by name."""
CODE = (".py", ".lua", ".ts", ".js", ".mjs")


def modules_per_folder(modules: Iterable[Module]) -> dict[str, int]:
    counts = Counter(module.folder for module in modules if module.stem != "__init__")
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def find_splinters(modules: Sequence[Module]) -> list[str]:
    """Modules under ``SPLINTER`` lines with one importer. Ports, their adapters and plug-ins are left out."""
    importers, ports = find_importers(modules), find_ports(modules)
    return [
        module.path
        for module in modules
        if module.lines < SPLINTER
        and not module.stem.startswith("__")
        and len(importers.get(module.name, ())) == 1
        and not any(fnmatchcase(module.path, pattern) for pattern in PLUG_INS)
        and not (module.path.startswith("infra/") and implements(module, ports))
    ]


def public_port_names(modules: Iterable[Module]) -> set[str]:
    """The names that ``schemas.ports`` exports."""
    tree = next(module.tree for module in modules if module.path == "schemas/ports/__init__.py")
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def functions_of(modules: Iterable[Module]) -> list[int]:
    """The length of each function in lines."""
    return [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for module in modules
        for node in module.nodes
        if isinstance(node, FUNCTION)
    ]


def count_code_lines(root: Path, folders: Iterable[str], endings: Sequence[str] = CODE) -> int:
    return sum(
        file.read_bytes().count(b"\n")
        for folder in folders
        for file in (root / folder).rglob("*")
        if file.suffix in endings and "node_modules" not in file.parts and file.is_file()
    )


def last_test_run(root: Path) -> str:
    """The newest run of the tests, as `tests/run.py` reports it; of an archived revision nothing is known."""
    try:
        report = json.loads((root / "reports" / "test.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "no report"
    return f"{report['command']}: {report['seconds'] / 60:.1f} min, {report['result']}"


def static_figures(root: Path) -> dict[str, str]:
    """Label → figure, in the order in which they are printed."""
    modules = load_modules(root)
    folders, sizes = modules_per_folder(modules), [module.lines for module in modules if module.stem != "__init__"]
    lazy = [found for module in modules for found in module.function_imports()]
    ports = find_ports(modules)
    asking = [module for module in modules if module.opens_with_question]
    documented = [module for module in modules if ast.get_docstring(module.tree)]
    lengths = functions_of(modules)
    return {
        "product files (Python)": f"{len(modules)}",
        "modules per folder, most": f"{max(folders.values())}",
        f"folders with more than {FULL_FOLDER} modules": f"{sum(n > FULL_FOLDER for n in folders.values())}",
        "lines per file, median": f"{median(sizes):.0f}",
        "lines per file, p90": f"{quantiles(sizes, n=10)[8]:.0f}",
        "lines per function, median": f"{median(lengths):.0f}",
        "lines per function, most": f"{max(lengths)}",
        f"splinters (under {SPLINTER} lines, one importer)": f"{len(find_splinters(modules))}",
        "imports inside functions": f"{len(lazy)}",
        "  of numpy": f"{sum(found.module.split('.')[0] == 'numpy' for found in lazy)}",
        "  outside the listed places": f"{sum(not lazy_imports.is_allowed(found) for found in lazy)}",
        "  and under TYPE_CHECKING": f"{sum(module.typing_imports() for module in modules)}",
        "port protocols": f"{len(ports)}",
        "methods of ports": f"{sum(len(port.methods) for port in ports)}",
        "public names of ports": f"{len(public_port_names(modules))}",
        "module docstrings that begin with a question word": f"{len(asking)} of {len(documented)}",
        "product lines (Python, Lua, TypeScript)": f"{count_code_lines(root, PACKAGES):,}",
        "  of them Python": f"{count_code_lines(root, PACKAGES, ('.py',)):,}",
        "test lines (Python)": f"{count_code_lines(root, ('tests',), ('.py',)):,}",
        "newest test run": last_test_run(root),
    }
