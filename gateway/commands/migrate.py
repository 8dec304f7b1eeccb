"""`parley migrate`: migrate stored data to the schema of this release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.common.options import AsJson, ConfigFile, load, run
from gateway.commands.common.printing import print_json

if TYPE_CHECKING:
    from gateway.config.settings import Config
    from infra.database.migration import SchemaState


def add(app: typer.Typer) -> None:
    app.command()(migrate)


def migrate(
    config: ConfigFile = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 if there is something to migrate.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Migrate stored data to the schema of this release. `parley dev` does this when it starts."""
    from infra.state.registry import find_engine

    loaded = load(config)
    state = run(_load_schema_state(loaded))
    if not check and state.pending:
        run(_migrate(loaded))
    store = find_engine(loaded.state).name
    if as_json:
        report = {"store": store, "found": state.found, "known": state.known, "steps": list(state.pending)}
        print_json(report | {"migrated": bool(state.pending and not check)})
    else:
        typer.echo(_describe(state, check))
    if check and state.pending:
        raise typer.Exit(1)


def _describe(state: SchemaState, check: bool) -> str:
    if state.found is None:
        return "nothing is stored yet"
    if not state.pending:
        return f"schema version {state.found}: nothing to do"
    verb = "to be migrated" if check else "migrated"
    steps = "".join(f"\n  {step}" for step in state.pending)
    return f"{verb} from schema version {state.found} to {state.known}:{steps}"


async def _load_schema_state(config: Config) -> SchemaState:
    """The schema version of the stored data. Raises SchemaMismatch if it is newer than this release."""
    from gateway.wiring.engines import state_location
    from infra.state.registry import load_engine

    return await load_engine(config.state).schema_state(state_location(config))


async def _migrate(config: Config) -> None:
    """Migrate the stored data. Raises DatabaseLocked while an instance runs."""
    from gateway.wiring.engines import state_location
    from infra.state.registry import load_engine

    await load_engine(config.state).migrate(state_location(config))
