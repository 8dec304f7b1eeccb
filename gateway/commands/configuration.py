"""`parley config`: check the configuration, show it, print its schema."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from gateway.commands.common.options import AsJson, ConfigFile, File
from gateway.commands.common.printing import print_findings, print_json

app = typer.Typer(help="Check and show the configuration.", no_args_is_help=True)
MASK = "********"
_URL_PASSWORD = re.compile(r"(?<=//)[^/@\s]*@")


@app.command()
def check(
    file: File = None,
    config: ConfigFile = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not contact the endpoints of models.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the configuration file. The action files, libraries and models that it refers to are checked too.

    Exits with 1 if a check fails."""
    import asyncio
    from dataclasses import asdict

    from gateway.commands.common.printing import note
    from gateway.config import loader as configuration
    from gateway.doctor import preflight
    from gateway.wiring.engines import describe_longer_retention

    path = configuration.find_file(file or config)
    loaded = configuration.load(path, make_secrets=False)
    findings = preflight.check_imports(loaded) + ([] if offline else asyncio.run(preflight.check_endpoints(loaded)))
    problems = [finding for finding in findings if finding.status != "ok"]
    valid = all(finding.status != "fail" for finding in problems)
    mode = "one process, SQLite" if loaded.embedded else f"scaled, {loaded.servers}"
    if as_json:
        about = {"valid": valid, "file": str(path), "mode": mode, "tenants": sorted(loaded.tenants)}
        print_json(about | {"problems": [asdict(finding) for finding in problems]})
    else:
        print_findings(problems)
        verdict = "valid" if valid else "not valid"
        typer.echo(f"{path}: {verdict} ({mode}; tenants: {', '.join(sorted(loaded.tenants))})")
    for each in describe_longer_retention(loaded):
        note(f"retention of {each}")
    if not valid:
        raise typer.Exit(1)


@app.command()
def show(file: File = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the settings in effect, from defaults, file and environment. Secrets are masked."""
    import yaml

    from gateway.config import loader as configuration

    values = mask_secrets(configuration.load(file or config, make_secrets=False).model_dump(mode="python"))
    if as_json:
        print_json(values)
    else:
        typer.echo(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120), nl=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    from gateway.config.settings import Config

    print_json({"$schema": "https://json-schema.org/draft/2020-12/schema"} | Config.model_json_schema())


def mask_secrets(value: Any) -> Any:
    """The settings as plain values, with secrets and passwords in URLs masked. Empty secrets stay empty."""
    from pydantic import SecretStr

    if isinstance(value, dict):
        return {key: mask_secrets(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [mask_secrets(inner) for inner in value]
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    return _URL_PASSWORD.sub(f"{MASK}@", value) if isinstance(value, str) else value
