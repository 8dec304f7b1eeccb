"""Whether an app is set up as it must be: its token, its rights, and where its people work."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.slack.client import Client
from connectors.slack.errors import failure
from schemas.ports import Remark, Reply

SCOPES = frozenset({"chat:write", "files:read", "files:write", "im:write"})
"""Without which messages, files or direct messages cannot be sent or fetched, whatever events are subscribed to."""
FOR_NAMES = "users:read"
FOR_DESK = frozenset({"reactions:read", "reactions:write", "users:read"})
"""Without which people cannot act by reactions, see how far replies have come, or be told from guests."""


async def remarks(client: Client, desk: Iterable[str]) -> list[Remark]:
    """``desk``: channels in which people work. Raises SendDelayed."""
    reply = await client.ask("auth.test", {})
    error = failure(reply)
    if error is not None:
        return [Remark("fail", f"Slack refuses the token: {error.message}", "install the app anew for a bot_token")]
    places = sorted(desk)
    found = _rights(reply, SCOPES | FOR_DESK if places else SCOPES)
    if found is None:
        found = [Remark("ok", "the token works, with the scopes that are needed")]
    return [*found, *[remark for place in places if (remark := await _place(client, place)) is not None]]


def _rights(reply: Reply, needed: frozenset[str]) -> list[Remark] | None:
    """What is wrong with them; None where nothing is, or Slack does not say."""
    granted = {each.strip() for each in reply.headers.get("x-oauth-scopes", "").split(",")} - {""}
    lacking = sorted(needed - granted) if granted else []
    if lacking:
        return [Remark("fail", f"the app lacks {', '.join(lacking)}", "add these scopes and install the app anew")]
    if granted and FOR_NAMES not in granted:
        lost = f"the app lacks {FOR_NAMES}: nobody's name is known"
        return [Remark("warn", lost, "add this scope and install the app anew")]
    return None


async def _place(client: Client, place: str) -> Remark | None:
    """None where the app can work there."""
    reply = await client.ask("conversations.info", {"channel": place})
    error = failure(reply)
    if error is not None:
        why = f"the desk's channel {place} cannot be seen by the app: {error.message}"
        return Remark("fail", why, "invite the app there: /invite @its-name; the id stands at the end of *About*")
    told = reply.body.get("channel")
    channel = told if isinstance(told, dict) else {}
    if channel.get("is_archived"):
        return Remark("fail", f"the desk's channel {place} is archived", "take it out of the archive, or name another")
    if channel.get("is_member") is False:
        return Remark("fail", f"the app is not in the desk's channel {place}", "invite it there: /invite @its-name")
    return None
