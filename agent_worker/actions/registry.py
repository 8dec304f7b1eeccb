"""Loading of actions from a module path, a file beside the configuration, or an entry point in the group
``parley.actions``. Each names a module, an action, or a list of actions."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

from agent_worker.actions.spec import Action
from schemas.errors import ConfigInvalid

GROUP = "parley.actions"


def load_actions(sources: Iterable[str], more: Iterable[Action] = ()) -> Mapping[str, Action]:
    """All actions from ``sources`` and ``more``, by name. Raises ConfigInvalid when a source cannot be loaded, contains
    no action, or when two actions have the same name."""
    actions: dict[str, Action] = {}
    for loaded in [*chain.from_iterable(map(load_source, sources)), *more]:
        if actions.setdefault(loaded.name, loaded) is not loaded:
            raise ConfigInvalid(f"actions: there are two named {loaded.name!r}")
    return actions


def load_source(source: str) -> list[Action]:
    """The actions of one source. Raises ConfigInvalid."""
    try:
        actions = actions_in(_target(source))
    except ConfigInvalid:
        raise
    except Exception as error:  # a tenant's module may raise anything while it is imported
        raise ConfigInvalid(
            f"actions: {source} cannot be loaded: {type(error).__name__}: {error}", fix=_suggest_fix(source, error)
        ) from error
    if not actions:
        raise ConfigInvalid(f"actions: there is no action in {source}", fix="declare one with @action(…)")
    return actions


def _suggest_fix(source: str, error: Exception) -> str:
    if source.endswith(".py") and not Path(source).exists():
        return "create it, or correct its path, which is relative to the folder of the configuration"
    if isinstance(error, ModuleNotFoundError) and source.startswith(str(error.name)):
        return f"name a .py file, a module, or an entry point in the group {GROUP}"
    if isinstance(error, SyntaxError):
        return f"correct line {error.lineno} of {error.filename}"
    return "correct what it does when it is imported"


def actions_in(target: Any) -> list[Action]:
    """The actions that ``target`` is or contains, each once, in the order of their declaration."""
    if isinstance(target, Action):
        return [target]
    values = vars(target).values() if isinstance(target, ModuleType) else target
    return list({value.name: value for value in values if isinstance(value, Action)}.values())


def _target(source: str) -> Any:
    if source.endswith(".py"):
        return _from_file(Path(source))
    for entry in entry_points(group=GROUP, name=source):
        return entry.load()
    return importlib.import_module(source)


def _from_file(path: Path) -> ModuleType:
    """A file beside an ``__init__.py`` is loaded as a module of that package, so that it can import its siblings."""
    folder = path.parent
    if not (folder / "__init__.py").exists():
        return _module(path)
    package = _module(folder / "__init__.py", [str(folder)])
    return importlib.import_module(f"{package.__name__}.{path.stem}")


def _module(path: Path, parts: list[str] | None = None) -> ModuleType:
    """Load ``path`` under a unique name, so that two files with the same name stay two modules. ``parts``: where its
    submodules are."""
    name = f"parley_actions_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=parts)
    if spec is None or spec.loader is None:
        raise ConfigInvalid(f"actions: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
