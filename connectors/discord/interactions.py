"""Commands and components: what somebody asked by /ask, and which of our choices they picked.

What answers an interaction within Discord's three seconds is whoever holds the gateway's socket; here is only what it
says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from connectors.discord import components
from connectors.discord.contents import name
from connectors.discord.models import Interaction, Member, User, moment, where
from connectors.markup import blank, printable
from schemas.messages import Choosing
from schemas.ports import Account

log = structlog.get_logger("parley.discord")

COMMAND, COMPONENT = 2, 3
CHAT_INPUT = 1
ASK = "ask"


def user(interaction: Interaction) -> User | None:
    """A member where there is a server, else the person alone."""
    return interaction.member.user if interaction.member is not None else interaction.user


def payload(interaction: Interaction, account: Account, places: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The parts of an InboundMessage, and to which of the ``places`` it belongs, mostly the first; empty, with a word
    in the log, when it is nothing that we offered."""
    said, place = _asked(interaction), places[0]
    if not said:
        tried = ((_chosen(interaction, account, each), each) for each in places)
        said, place = next(((found, each) for found, each in tried if found), ({}, place))
    who = user(interaction)
    if not said or who is None:
        log.warning(
            "interaction_unknown",
            **where(account),
            external_id=interaction.id,
            kind=interaction.type,
        )
        return {}, place
    shown = name(who, interaction.member or Member())
    about = {"author": {"kind": "contact", "name": shown}, "sent_at": moment(interaction.id)}
    return {**said, **about, **({"locale": interaction.locale} if interaction.locale else {})}, place


def _asked(interaction: Interaction) -> dict[str, Any]:
    data = interaction.data
    if interaction.type != COMMAND or data.type != CHAT_INPUT or data.name != ASK:
        return {}
    question = next((each.value for each in data.options if isinstance(each.value, str)), "")
    return {} if blank(question) else {"text": printable(question)}


def _chosen(interaction: Interaction, account: Account, place: str) -> dict[str, Any]:
    data = interaction.data
    if interaction.type != COMPONENT:
        return {}
    mark = data.values[0] if data.component_type == components.MENU and data.values else data.custom_id
    choosing = components.opened(mark, account, place)
    if choosing is None:
        return {}
    label = components.label_of(mark, interaction.message.components if interaction.message else None)
    return {
        "text": printable(label),
        "choice": Choosing(in_reply_to=choosing[0], id=choosing[1]),
        "in_reply_to": choosing[0],
    }
