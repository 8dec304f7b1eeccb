"""Registry of the state engines, which are found by entry point: Parley's own in its ``pyproject.toml``, others in
theirs.

- ``parley.state_engines``: the name is the scheme of an address in the setting ``state``, the value a ``StateEngine``.
  An engine with several schemes has an entry for each.
- ``parley.state_settings``: the name is an engine's, and that of a section of the configuration; the value is the model
  of the section (pydantic). Its module imports no client library. A method ``check_address(url)``, if it has one,
  raises ConfigInvalid for an address of ``state`` that cannot be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from schemas.errors import NotFound, SetupError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from infra.database import Database
    from infra.database.migration import SchemaState
    from infra.deploy.doctor_finding import Finding
    from infra.state.sqlite.store import SharedLog
    from schemas.ports import State

ENGINES = "parley.state_engines"
SETTINGS = "parley.state_settings"
EMBEDDED = "sqlite"
"""The engine that shares one file with the log; all others are servers."""


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """An engine that is not imported yet. ``schemes``: those of its addresses; the first is its name."""

    schemes: tuple[str, ...]
    entry_point: EntryPoint

    @property
    def name(self) -> str:
        return self.schemes[0]

    @property
    def title(self) -> str:
        """The name, for messages."""
        return self.name.capitalize()


@dataclass(frozen=True, slots=True)
class StateLocation:
    """Where an installation keeps its state.

    ``settings``: the engine's section of the configuration; None for its defaults. ``prefix``: what tells installations
    on one server apart. ``database``: the open file of embedded mode, in which the log is too; ``log``: that log, for
    who writes both in one transaction."""

    address: str
    data_dir: Path
    prefix: str = "parley"
    settings: Any = None
    database: Database | None = None
    log: SharedLog | None = None


class StateEngine(Protocol):
    async def open_state(self, location: StateLocation) -> State:
        """Open all state ports. A server may be down: work begins when it is back. Raises ConfigInvalid,
        SchemaMismatch."""

    async def schema_state(self, location: StateLocation) -> SchemaState:
        """Inspect what is stored without changing it. Raises SchemaMismatch when it is newer than this program."""

    async def migrate(self, location: StateLocation) -> None:
        """Bring what is stored to the schema of this program. Raises SchemaMismatch, StateUnavailable."""

    async def run_checks(self, location: StateLocation) -> list[Finding]:
        """Run the checks of ``parley doctor``: a failure is a finding. Raises ConfigInvalid for settings that do not
        fit."""


@lru_cache(maxsize=1)
def list_engines() -> tuple[EngineEntry, ...]:
    """All engines, the embedded one first. Raises SetupError if Parley itself is not installed."""
    points = {point.name: point for point in entry_points(group=ENGINES)}
    if EMBEDDED not in points:
        raise SetupError("Parley is not installed, or in an older version", fix="run `make install`")
    schemes: dict[str, list[str]] = {}
    for name in sorted(points, key=lambda name: (name != EMBEDDED, name)):
        schemes.setdefault(points[name].value, []).append(name)
    return tuple(EngineEntry(tuple(names), points[names[0]]) for names in schemes.values())


def server_engines() -> list[EngineEntry]:
    return [entry for entry in list_engines() if entry.name != EMBEDDED]


def check_address(text: str) -> str:
    """Return the address if it has a known form, else raise ValueError."""
    scheme, separator, rest = text.partition("://")
    schemes = [scheme for entry in server_engines() for scheme in entry.schemes]
    if text == EMBEDDED or (separator and scheme in schemes and rest.split() == [rest]):
        return text
    forms = [EMBEDDED, *map(_form, schemes)]
    raise ValueError(f"must be {', '.join(forms[:-1])} or {forms[-1]}")


def describe_addresses() -> str:
    return ", or ".join(f"``{form}``" for form in (EMBEDDED, *(_form(entry.name) for entry in server_engines())))


def _form(scheme: str) -> str:
    return f"{scheme}://host:port/0"


def find_engine(address: str) -> EngineEntry:
    """The engine of an address. Raises NotFound."""
    scheme = address.partition("://")[0]
    for entry in list_engines():
        if scheme in entry.schemes:
            return entry
    known = ", ".join(scheme for entry in list_engines() for scheme in entry.schemes)
    raise NotFound(f"no state engine for {scheme}", fix=f"one of {known}")


def load_engine(address: str) -> StateEngine:
    """Import an engine. Raises NotFound, MissingDependency."""
    engine: StateEngine = find_engine(address).entry_point.load()
    return engine


@lru_cache(maxsize=1)
def load_sections() -> dict[str, type[BaseModel]]:
    """The models of the engines' sections in the configuration, by name."""
    return {point.name: point.load() for point in entry_points(group=SETTINGS)}
