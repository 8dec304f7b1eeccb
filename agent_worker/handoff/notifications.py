"""The envelopes about a handoff: messages to the contact, updates for the desk, and statistics."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agent_worker.handoff.handoff_period import HandoffPeriod
from agent_worker.handoff.rating import rating_choices, rating_question_id
from agent_worker.handoff.reply_templates import find_danger_text
from agent_worker.turn.envelopes import build_outbound
from agent_worker.turn.values import Response, TurnInput
from agent_worker.voice import translate_voice
from schemas.desk import DeskUpdate
from schemas.envelope import Envelope
from schemas.handoff.rules import PEOPLE
from schemas.ids import derived_id
from schemas.messages import Author, Choice, OutboundMessage
from schemas.topics import DESK_UPDATE, DRAFT_GENERATED, HANDOFF_ENDED, RATING_GIVEN


def build_handoff_envelopes(turn: TurnInput, response: Response, now: datetime) -> list[Envelope]:
    """Build these envelopes, for the end of the outbox."""
    if turn.handoff is None and response.effects is None:
        return []
    out: list[Envelope] = []
    if turn.handoff is not None:
        period = turn.handoff.period
        out += [
            turn.chain.wrap_message(message, now) for message in _build_messages(turn, period, turn.handoff.locale, now)
        ]
        out += _build_statistics(turn, period, now)
    if turn.rules.desk is not None:
        out += _build_desk_events(turn, response, now)
    return out


def _build_messages(turn: TurnInput, period: HandoffPeriod, locale: str, now: datetime) -> list[OutboundMessage]:
    if period.handoff is None:
        return []
    if period.danger and turn.conversation.owner == "queue":
        # Nobody has come yet, and the agent is silent.
        id = derived_id(turn.conversation.id, "danger", period.handoff.number)
        return [_build_notice(turn, id, find_danger_text(turn.rules, period.danger), (), locale, now)]
    if not (period.asks_rating or period.ratings):
        return []
    voice = translate_voice(turn.rules.voice, locale)
    question = rating_question_id(turn.conversation.id, period.handoff.number)
    messages: list[OutboundMessage] = []
    if period.ratings:
        messages.append(_build_notice(turn, derived_id(question, "thanks"), voice.rating_thanks, (), locale, now))
    if period.asks_rating:
        messages.append(_build_notice(turn, question, voice.rating_ask, rating_choices(voice), locale, now))
    return messages


def _build_notice(
    turn: TurnInput, id: str, text: str, choices: Sequence[Choice], locale: str, now: datetime
) -> OutboundMessage:
    return build_outbound(
        turn.conversation,
        id=id,
        author=Author(kind="system"),
        text=text,
        now=now,
        choices=list(choices),
        purpose="notice",
        turn_id=turn.id,
        locale=locale,
    )


def _build_statistics(turn: TurnInput, period: HandoffPeriod, now: datetime) -> list[Envelope]:
    conversation, wrap = turn.conversation.id, turn.chain.wrap
    ended = [
        wrap(HANDOFF_ENDED, each, id=derived_id(conversation, "handoff-ended", each.number), now=now)
        for each in period.ended
    ]
    ratings = [wrap(RATING_GIVEN, each, id=derived_id(each.message_id, "given"), now=now) for each in period.ratings]
    return ended + ratings


def _build_desk_events(turn: TurnInput, response: Response, now: datetime) -> list[Envelope]:
    wrap = turn.chain.wrap
    events = [
        wrap(DRAFT_GENERATED, draft, id=derived_id(draft.id, "draft-made"), now=now) for draft in response.suggestions
    ]
    if _changes_desk(turn, response):
        period = None if turn.handoff is None else turn.handoff.period
        changed, is_urgent = ([], False)
        if period is not None:
            changed, is_urgent = list(period.changed_messages), period.owner_changed or bool(period.danger)
        touched = DeskUpdate(changed=changed, owner=is_urgent, at=now)
        events.append(wrap(DESK_UPDATE, touched, id=derived_id(turn.id, "touched"), now=now))
    return events


def _changes_desk(turn: TurnInput, response: Response) -> bool:
    """True if the desk shows something that this turn changed."""
    effects = response.effects
    if effects is not None and (effects.approval_requests or effects.hand_back):
        return True
    if turn.handoff is None:
        return False
    period = turn.handoff.period
    if period.changed_messages and period.handoff is not None:
        return True  # a deleted message must vanish from the desk, whoever has the conversation
    shown = bool(period.owner_changed or period.asks_rating or period.ratings or period.ended)
    return shown or turn.conversation.owner in PEOPLE
