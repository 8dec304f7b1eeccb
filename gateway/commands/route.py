"""`parley route`: which model or person answers a message, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.common.options import AsJson, ConfigFile, TenantName, Url, load, select_tenant, with_api
from gateway.commands.common.printing import note, print_json
from schemas.errors import InvalidRequest

if TYPE_CHECKING:
    from gateway.commands.common.instance import AdminApi

app = typer.Typer(help="Explain and train the routing of messages.", no_args_is_help=True)


@app.command()
def explain(
    text: Annotated[str, typer.Argument(help="A message, as a contact would write it.", show_default=False)],
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show who would answer a message. This is `local`, the cheap model, the strong model or a person."""

    async def work(api: AdminApi) -> Any:
        return await api.call("POST", "/route/explain", {"text": text})

    route = with_api(config, tenant, url, work)
    if as_json:
        print_json(route)
        return
    scope = ", out of scope" if route["out_of_scope"] else ""
    typer.echo(f"route       {route['route']}")
    typer.echo(f"intent      {route['intent'] or '-'}{scope}")
    typer.echo(f"confidence  {route['confidence']:.2f}")
    for number, reason in enumerate(route["reasons"]):
        typer.echo(f"{'' if number else 'because':<12}{reason}")
    scores = ", ".join(f"{name} {value:g}" for name, value in route["scores"].items())
    typer.echo(f"scores      {scores}")


@app.command()
def train(config: ConfigFile = None, tenant: TenantName = None, as_json: AsJson = False) -> None:
    """Train the intent model from the examples of `routes`. Running workers keep their model until they restart."""
    from dataclasses import asdict

    from gateway.wiring import routing

    loaded = load(config)
    name = select_tenant(loaded, tenant)
    quality = routing.train(loaded, name, force=True, on_start=lambda: note(f"learning the intents of {name}"))
    if quality is None:
        raise InvalidRequest(f"the tenant {name} has no examples", fix="add some under `routes.examples`")
    routes = loaded.tenants[name].routes
    file = routes.trained if routes is not None else ""
    if as_json:
        print_json(asdict(quality) | {"file": file})
        return
    recognized = f", {quality.told_apart:.1%} of out-of-scope messages recognized" if quality.told_apart >= 0 else ""
    typer.echo(f"{quality.intents} intents from {quality.examples} examples, in {file}")
    typer.echo(
        f"held-out examples: {quality.accuracy:.1%} right, {quality.sure_accuracy:.1%} of the most confident 80%; "
        f"{quality.strange:.1%} mistaken for out of scope{recognized}"
    )
