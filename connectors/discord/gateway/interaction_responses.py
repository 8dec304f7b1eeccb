"""What answers an interaction at once: Discord waits three seconds, and shows a failure after that.

https://docs.discord.com/developers/interactions/receiving-and-responding
"""

from __future__ import annotations

from typing import Any

import structlog
from pydantic import ValidationError

from connectors.discord.interactions import COMMAND, COMPONENT
from connectors.discord.models import Interaction, Shape, Snowflake, where
from connectors.discord.rest import Rest
from schemas.errors import DeliveryError
from schemas.ports import Account

log = structlog.get_logger("parley.discord")

MESSAGE, NOTHING_YET = 4, 6
ONLY_TO_THEM = 1 << 6
LONGEST = 1900
UNKNOWN = "This command is not known here."


class Answerable(Shape):
    id: Snowflake
    token: str


async def respond(rest: Rest, data: Any, account: Account, *, understood: bool) -> None:
    """After a button or a menu nothing changes; a command is shown as the question that it asks, which our answer then
    follows as a message of its own. Best effort: what was asked is appended already."""
    try:
        to, interaction = Answerable.model_validate(data), Interaction.model_validate(data)
    except ValidationError:
        return
    answer = _answer(interaction, understood)
    if answer is None or not to.token.isascii() or "/" in to.token:
        return
    try:
        reply = await rest.ask("POST", f"/interactions/{to.id}/{to.token}/callback", json=answer)
    except DeliveryError as error:
        log.info("interaction_unanswered", **where(account), external_id=to.id, reason=error.message)
        return
    if reply.status >= 300:
        log.info("interaction_unanswered", **where(account), external_id=to.id, status=reply.status)


def _answer(interaction: Interaction, understood: bool) -> dict[str, Any] | None:
    if interaction.type == COMPONENT:
        return {"type": NOTHING_YET}
    if interaction.type != COMMAND:
        return None
    if not understood:
        return {"type": MESSAGE, "data": {"content": UNKNOWN, "flags": ONLY_TO_THEM}}
    question = next((each.value for each in interaction.data.options if isinstance(each.value, str)), "")
    quoted = "\n".join(f"> {line}" for line in question[:LONGEST].splitlines()[:20])[: LONGEST + 60]
    return {"type": MESSAGE, "data": {"content": quoted, "allowed_mentions": {"parse": []}}}
