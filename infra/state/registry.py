"""The list of all state engines: one entry each, imported on first use.

An engine is a package with a module ``engine``, whose ``ENGINE`` is a ``StateEngine``. One that has a section in the
configuration has a module ``settings`` too, which imports no client library: ``SETTINGS`` is the model of the section.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from schemas.errors import NotFound

if TYPE_CHECKING:
    from pydantic import BaseModel

    from infra.database import Database
    from infra.database.migration import SchemaState
    from infra.deploy.doctor_finding import Finding
    from schemas.ports import State


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """``name``: short, for programs. ``addresses``: the forms of the setting ``state``; the scheme tells the engines
    apart. ``has_section``: the configuration has a section called ``name``."""

    name: str
    title: str
    package: str
    addresses: tuple[str, ...]
    has_section: bool = False

    @property
    def schemes(self) -> list[str]:
        return [address.partition("://")[0] for address in self.addresses]


ENGINES = (
    EngineEntry("sqlite", "SQLite", "infra.state.sqlite", ("sqlite",)),
    EngineEntry("redis", "Redis", "infra.state.redis", ("redis://host:port/0", "rediss://host:port/0"), True),
)
EMBEDDED = "sqlite"
"""The engine that shares one file with the log; all others are servers."""


@dataclass(frozen=True, slots=True)
class StateLocation:
    """Where an installation keeps its state.

    ``settings``: the engine's section of the configuration. ``prefix``: what tells installations on one server apart.
    ``database``: the open file of embedded mode, in which the log is too."""

    address: str
    data_dir: Path
    prefix: str = "parley"
    settings: Any = None
    database: Database | None = None


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


def server_engines() -> list[EngineEntry]:
    return [entry for entry in ENGINES if entry.name != EMBEDDED]


def check_address(text: str) -> str:
    """Return the address if it has a known form, else raise ValueError."""
    forms = [form for entry in ENGINES for form in entry.addresses]
    for form in forms:
        scheme, separator, _ = form.partition("://")
        if text == form or (separator and _has_scheme(text, scheme)):
            return text
    raise ValueError(f"must be {', '.join(forms[:-1])} or {forms[-1]}")


def _has_scheme(address: str, scheme: str) -> bool:
    rest = address.removeprefix(f"{scheme}://")
    return rest != address and rest.split() == [rest]


def describe_addresses() -> str:
    return ", or ".join(f"``{entry.addresses[0]}``" for entry in ENGINES)


def find_engine(address: str) -> EngineEntry:
    """The engine of an address. Raises NotFound."""
    scheme = address.partition("://")[0]
    for entry in ENGINES:
        if scheme in entry.schemes:
            return entry
    known = ", ".join(scheme for entry in ENGINES for scheme in entry.schemes)
    raise NotFound(f"no state engine for {scheme}", fix=f"one of {known}")


def load_engine(address: str) -> StateEngine:
    """Import an engine. Raises NotFound, MissingDependency."""
    engine: StateEngine = import_module(f"{find_engine(address).package}.engine").ENGINE
    return engine


def load_sections() -> dict[str, type[BaseModel]]:
    """The models of the engines' sections in the configuration, by name."""
    return {entry.name: import_module(f"{entry.package}.settings").SETTINGS for entry in ENGINES if entry.has_section}
