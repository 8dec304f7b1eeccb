"""Immediate responses to interactions: Discord waits three seconds, then shows a failure.

https://docs.discord.com/developers/interactions/receiving-and-responding
"""

from __future__ import annotations

from typing import Any

import discord
import structlog
from pydantic import ValidationError

from connectors.discord.models import DiscordModel, Interaction, Snowflake, get_log_fields
from connectors.discord.rest import RestClient
from schemas.errors import DeliveryError
from schemas.ports import Account

log = structlog.get_logger("parley.discord")

MESSAGE = discord.InteractionResponseType.channel_message.value
DEFERRED_UPDATE = discord.InteractionResponseType.deferred_message_update.value
EPHEMERAL = discord.MessageFlags(ephemeral=True).value
MAX_QUESTION = 1900
UNKNOWN_COMMAND = "This command is not known here."


class ResponseTarget(DiscordModel):
    id: Snowflake
    token: str


async def respond(rest: RestClient, data: Any, account: Account, *, understood: bool) -> None:
    """Respond to an interaction. A button or menu changes nothing; a command is shown as its question, and our answer
    follows as a message. Best effort: the event is appended already."""
    try:
        to, interaction = ResponseTarget.model_validate(data), Interaction.model_validate(data)
    except ValidationError:
        return
    answer = _build_response(interaction, understood)
    if answer is None or not to.token.isascii() or "/" in to.token:
        return
    try:
        reply = await rest.request("POST", f"/interactions/{to.id}/{to.token}/callback", json=answer)
    except DeliveryError as error:
        log.info("interaction_unanswered", **get_log_fields(account), external_id=to.id, reason=error.message)
        return
    if reply.status >= 300:
        log.info("interaction_unanswered", **get_log_fields(account), external_id=to.id, status=reply.status)


def _build_response(interaction: Interaction, understood: bool) -> dict[str, Any] | None:
    if interaction.type == discord.InteractionType.component.value:
        return {"type": DEFERRED_UPDATE}
    if interaction.type != discord.InteractionType.application_command.value:
        return None
    if not understood:
        return {"type": MESSAGE, "data": {"content": UNKNOWN_COMMAND, "flags": EPHEMERAL}}
    question = next((each.value for each in interaction.data.options if isinstance(each.value, str)), "")
    quoted = "\n".join(f"> {line}" for line in question[:MAX_QUESTION].splitlines()[:20])[: MAX_QUESTION + 60]
    return {"type": MESSAGE, "data": {"content": quoted, "allowed_mentions": {"parse": []}}}
