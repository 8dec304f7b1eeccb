"""`parley new`: something of one's own, begun from a working example."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.common.printing import note

app = typer.Typer(help="Begin something of your own from a working example.", no_args_is_help=True)

NEXT = """\
It works as it is, for a vendor that does not exist. Now:
  1. put what your vendor really sends into connectors/{name}/fixtures/inbound/*/request.json
  2. make settings.py and channel.py fit, and say in absent.json which cases cannot exist there, and why
  3. python -m tests.channels.record {name}                      writes what the fixtures become: read it
  4. python -m pytest tests/channels/test_fixtures.py -k {name}
  5. python -m tests.channels.conversation {name}                a question, its answer, and what the vendor was sent
Step by step: docs/adding-a-channel.md"""


ACTION = """\
It works as it is. Now:
  1. add it to a tenant:  actions: {{sources: [{file}]}}   (the path is relative to the configuration file)
  2. parley config check, and start Parley again
  3. make it do what you need
All that may be said about an action: docs/actions.md"""


@app.callback()
def group() -> None:
    """Begin something of your own from a working example."""


@app.command()
def channel(
    name: Annotated[str, typer.Argument(help="What it is called everywhere: a-z and 0-9.", show_default=False)],
    checkout: Annotated[
        Path, typer.Option(help="A checkout of Parley, where the tests are too.", show_default="this folder")
    ] = Path(),
) -> None:
    """Add a channel: a folder that works, its line in the registry, and its workers for Kubernetes."""
    from gateway.scaffold import new_channel

    for path in _folders(new_channel(name, checkout)):
        typer.echo(path)
    note(NEXT.format(name=name))


@app.command()
def action(
    name: Annotated[str, typer.Argument(help="What it is called: a-z, 0-9 and _.", show_default=False)],
    folder: Annotated[Path, typer.Option(help="Where its file is written.", show_default="this folder")] = Path(),
) -> None:
    """Add an action: a Python file that works."""
    from gateway.scaffold import new_action

    file = new_action(name, folder)
    typer.echo(file)
    note(ACTION.format(file=file))


def _folders(paths: list[Path]) -> list[str]:
    """The files, and of the fixtures only how many there are."""
    fixtures = [path for path in paths if "fixtures" in path.parts]
    first = Path(*fixtures[0].parts[:3])
    return [*(str(path) for path in paths if path not in fixtures), f"{first}/ ({len(fixtures)} files)"]
