"""`parley doctor`: find problems of an installation, and say how to fix them."""

from __future__ import annotations

import typer

from gateway.commands.common.options import AsJson, ConfigFile, File, run
from gateway.commands.common.printing import print_findings, print_json


def add(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(file: File = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check the configuration, this machine, vendors and servers. Exits with 1 if a check fails."""
    from dataclasses import asdict

    from gateway.doctor.checks import run_checks

    findings = run(run_checks(file or config))
    healthy = all(finding.status != "fail" for finding in findings)
    if as_json:
        print_json({"ok": healthy, "findings": [asdict(finding) for finding in findings]})
    else:
        print_findings(findings)
    if not healthy:
        raise typer.Exit(1)
