"""Whether the app can work where people do."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from connectors.slack.client import Client
from connectors.slack.errors import failure
from schemas.errors import CredentialsRevoked, SendRefused
from schemas.ports import Remark

SCOPES = frozenset({"reactions:write", "users:read"})
"""Without which it cannot be seen what became of a reply, and who may act."""


async def remarks(client: Client, desk: Iterable[str], granted: Collection[str]) -> list[Remark]:
    """What has to be mended; nothing where all is well. ``granted`` is empty where Slack does not say. Raises a
    DeliveryError when Slack cannot be asked."""
    told = []
    if granted and (lacking := sorted(SCOPES - set(granted))):
        told.append(Remark("fail", f"the desk needs {', '.join(lacking)}", "add these scopes and install the app anew"))
    problems = [(channel, await _problem(client, channel)) for channel in sorted(desk)]
    fix = "write /invite @YourApp there"
    return told + [Remark("fail", f"the desk's channel {name}: {what}", fix) for name, what in problems if what]


async def _problem(client: Client, channel: str) -> str:
    reply = await client.ask("conversations.info", {"channel": channel})
    error = failure(reply)
    if isinstance(error, SendRefused):
        return "Slack does not know it, or does not show it to the app"
    if isinstance(error, CredentialsRevoked):
        return "Slack does not say who is in it: are channels:read and groups:read there?"
    if error is not None:
        raise error
    about = reply.body.get("channel")
    facts = about if isinstance(about, dict) else {}
    if facts.get("is_archived"):
        return "it is archived"
    return "" if facts.get("is_member") else "the app is not in it"
