"""Content of commands and components: the question of /ask, and the selected choice.

The immediate response to an interaction is sent by the gateway's socket; here it is only parsed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from connectors.discord import components
from connectors.discord.contents import get_author_name
from connectors.discord.models import Interaction, Member, User, get_creation_time, get_log_fields
from connectors.markup import clean_text, is_blank
from schemas.messages import ChoiceSelection
from schemas.ports import Account

log = structlog.get_logger("parley.discord")

COMMAND, COMPONENT = 2, 3
CHAT_INPUT = 1
ASK = "ask"


def get_user(interaction: Interaction) -> User | None:
    """Return the member in a server, else the user."""
    return interaction.member.user if interaction.member is not None else interaction.user


def build_payload(interaction: Interaction, account: Account, places: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Return the fields of an InboundMessage, and which of the ``places`` it belongs to, usually the first. Empty, with
    a line in the log, for a choice that was not offered."""
    payload_, place = _read_question(interaction), places[0]
    if not payload_:
        candidates = ((_read_choice(interaction, account, each), each) for each in places)
        payload_, place = next(((read, each) for read, each in candidates if read), ({}, place))
    author = get_user(interaction)
    if not payload_ or author is None:
        log.warning(
            "interaction_unknown",
            **get_log_fields(account),
            external_id=interaction.id,
            kind=interaction.type,
        )
        return {}, place
    name = get_author_name(author, interaction.member or Member())
    common = {"author": {"kind": "contact", "name": name}, "sent_at": get_creation_time(interaction.id)}
    return {**payload_, **common, **({"locale": interaction.locale} if interaction.locale else {})}, place


def _read_question(interaction: Interaction) -> dict[str, Any]:
    data = interaction.data
    if interaction.type != COMMAND or data.type != CHAT_INPUT or data.name != ASK:
        return {}
    question = next((each.value for each in data.options if isinstance(each.value, str)), "")
    return {} if is_blank(question) else {"text": clean_text(question)}


def _read_choice(interaction: Interaction, account: Account, place: str) -> dict[str, Any]:
    data = interaction.data
    if interaction.type != COMPONENT:
        return {}
    custom_id = data.values[0] if data.component_type == components.MENU and data.values else data.custom_id
    choice = components.open_choice(custom_id, account, place)
    if choice is None:
        return {}
    label = components.find_label(custom_id, interaction.message.components if interaction.message else None)
    return {
        "text": clean_text(label),
        "choice": ChoiceSelection(in_reply_to=choice[0], id=choice[1]),
        "in_reply_to": choice[0],
    }
