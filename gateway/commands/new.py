"""`parley new`: create a channel or an action from a working example."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.common.printing import note

app = typer.Typer(help="Create a channel or an action from a working example.", no_args_is_help=True)

CHANNEL_STEPS = """\
The channel works, but for a vendor that does not exist. Next steps:
  1. put requests that your vendor really sends into connectors/{name}/fixtures/inbound/*/request.json
  2. adapt settings.py and channel.py, and list in absent.json the cases that your vendor does not have, and why
  3. python -m tests.channels.record {name}                      writes the fixtures' expected results: review them
  4. python -m pytest tests/channels/test_fixtures.py -k {name}
  5. python -m tests.channels.conversation {name}                shows a question, its answer, and the vendor's requests
All steps are described in docs/adding-a-channel.md"""


ACTION_STEPS = """\
The action works as it is. Next steps:
  1. add it to a tenant:  actions: {{sources: [{file}]}}   (the path is relative to the configuration file)
  2. run `parley config check`, and restart Parley
  3. change it to do what you need
docs/actions.md describes everything that an action can declare."""


@app.callback()
def group() -> None:
    """Create a channel or an action from a working example."""


@app.command()
def channel(
    name: Annotated[str, typer.Argument(help="The channel's name: a-z and 0-9.", show_default=False)],
    checkout: Annotated[
        Path, typer.Option(help="A checkout of Parley, which has the tests.", show_default="this folder")
    ] = Path(),
) -> None:
    """Create a channel that works: its folder, and its line in the registry."""
    from gateway.scaffold import new_channel

    for path in _summarize_paths(new_channel(name, checkout)):
        typer.echo(path)
    note(CHANNEL_STEPS.format(name=name))


@app.command()
def action(
    name: Annotated[str, typer.Argument(help="The action's name: a-z, 0-9 and _.", show_default=False)],
    folder: Annotated[Path, typer.Option(help="The folder for its file.", show_default="this folder")] = Path(),
) -> None:
    """Create an action that works, as a Python file."""
    from gateway.scaffold import new_action

    file = new_action(name, folder)
    typer.echo(file)
    note(ACTION_STEPS.format(file=file))


def _summarize_paths(paths: list[Path]) -> list[str]:
    """The files to print. Of the fixtures only their folder and number."""
    fixtures = [path for path in paths if "fixtures" in path.parts]
    first = Path(*fixtures[0].parts[:3])
    return [*(str(path) for path in paths if path not in fixtures), f"{first}/ ({len(fixtures)} files)"]
