"""Where actions are found: a module by its path, a file beside the configuration, or an entry point in the group
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


def found(sources: Iterable[str], more: Iterable[Action] = ()) -> Mapping[str, Action]:
    """The actions of all ``sources``, and ``more``, by name. Raises ConfigInvalid when one cannot be loaded, holds
    none, or when two have one name."""
    actions: dict[str, Action] = {}
    for each in [*chain.from_iterable(map(loaded, sources)), *more]:
        if actions.setdefault(each.name, each) is not each:
            raise ConfigInvalid(f"actions: there are two named {each.name!r}")
    return actions


def loaded(source: str) -> list[Action]:
    """Raises ConfigInvalid."""
    try:
        actions = of(_target(source))
    except ConfigInvalid:
        raise
    except Exception as error:  # whatever somebody's module raises while it is imported
        raise ConfigInvalid(
            f"actions: {source} cannot be loaded: {type(error).__name__}: {error}",
            fix=f"name a .py file, a module, or an entry point in the group {GROUP}",
        ) from error
    if not actions:
        raise ConfigInvalid(f"actions: there is no action in {source}", fix="declare one with @action(…)")
    return actions


def of(target: Any) -> list[Action]:
    """The actions that ``target`` is or holds, each once, in the order of their declaration."""
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
    """Beside an ``__init__.py`` it is a module of that package, and may import the others from it."""
    folder = path.parent
    if not (folder / "__init__.py").exists():
        return _module(path)
    package = _module(folder / "__init__.py", [str(folder)])
    return importlib.import_module(f"{package.__name__}.{path.stem}")


def _module(path: Path, parts: list[str] | None = None) -> ModuleType:
    """Under a name of its own, so that two files of one name are two modules. ``parts``: where its submodules are."""
    name = f"parley_actions_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=parts)
    if spec is None or spec.loader is None:
        raise ConfigInvalid(f"actions: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
