"""`parley config`: check it, show what holds, print its schema."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from gateway.commands.common.options import AsJson, ConfigFile
from gateway.commands.common.printing import print_findings, print_json

app = typer.Typer(help="Check and show the configuration.", no_args_is_help=True)
HIDDEN = "********"
_PASSWORD = re.compile(r"(?<=//)[^/@\s]*@")


@app.command()
def check(
    config: ConfigFile = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not contact models' endpoints.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the file and what it refers to: action files, libraries, models. Exit code 1 when something fails."""
    import asyncio
    from dataclasses import asdict

    from gateway.commands.common.printing import note
    from gateway.config import loader as configuration
    from gateway.config import preflight
    from gateway.wiring.engines import longer_than_wanted

    path = configuration.find(config)
    loaded = configuration.load(config, make_secrets=False)
    findings = preflight.findings(loaded) + ([] if offline else asyncio.run(preflight.unreachable_models(loaded)))
    problems = [finding for finding in findings if finding.status != "ok"]
    valid = all(finding.status != "fail" for finding in problems)
    mode = "one process, SQLite" if loaded.embedded else "scaled, Kafka and Redis"
    if as_json:
        about = {"valid": valid, "file": str(path), "mode": mode, "tenants": sorted(loaded.tenants)}
        print_json(about | {"problems": [asdict(finding) for finding in problems]})
    else:
        print_findings(problems)
        verdict = "valid" if valid else "not valid"
        typer.echo(f"{path}: {verdict} ({mode}; tenants: {', '.join(sorted(loaded.tenants))})")
    for each in longer_than_wanted(loaded):
        note(f"retention of {each}")
    if not valid:
        raise typer.Exit(1)


@app.command()
def show(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show what holds after defaults, file and environment; secrets are masked."""
    import yaml

    from gateway.config import loader as configuration

    values = masked(configuration.load(config, make_secrets=False).model_dump(mode="python"))
    if as_json:
        print_json(values)
    else:
        typer.echo(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120), nl=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the file, for editors."""
    from gateway.config.settings import Config

    print_json({"$schema": "https://json-schema.org/draft/2020-12/schema"} | Config.model_json_schema())


def masked(value: Any) -> Any:
    """Plain values, with secrets and passwords inside addresses hidden; an empty secret is shown as empty."""
    from pydantic import SecretStr

    if isinstance(value, dict):
        return {key: masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    return _PASSWORD.sub(f"{HIDDEN}@", value) if isinstance(value, str) else value
