"""`parley doctor`: what would go wrong, and what to do about it."""

from __future__ import annotations

import typer

from gateway.commands.options import AsJson, ConfigFile, run
from gateway.commands.printing import mark, print_json


def add(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check the configuration, this machine, and the servers it names. Exit code 1 when anything fails."""
    from dataclasses import asdict

    from gateway.examination import examined

    findings = run(examined(config))
    well = all(finding.status != "fail" for finding in findings)
    if as_json:
        print_json({"ok": well, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            typer.echo(f"{mark(finding.status)}  {finding.check.ljust(24)}  {finding.detail}")
            if finding.fix:
                typer.echo(f"      {' ' * 24}  fix: {finding.fix}")
    if not well:
        raise typer.Exit(1)
