"""What a turn tells of people's part in it: the desk of what it shows, the contact, and whoever counts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from agent_worker.handoff.rating import choices_of, question_id
from agent_worker.phrases import translate_voice
from agent_worker.turn.envelopes import outbound
from schemas.desk import DeskTouched
from schemas.envelope import Envelope
from schemas.handoff.rules import PEOPLE
from schemas.ids import derived_id
from schemas.messages import Author, Choice, OutboundMessage
from schemas.topics import DESK_TOUCHED, DRAFT_MADE, HANDOFF_ENDED, RATING_GIVEN

if TYPE_CHECKING:
    from agent_worker.turn.turn_state import Work


def told(work: Work, now: datetime) -> list[Envelope]:
    """For the outbox, beside what is answered."""
    if work.stretch is None and work.effects is None:
        return []
    out = [work.chain.send(message, now) for message in _of_rating(work, now)]
    out += _counted(work, now)
    if work.rules.desk is not None:
        out += _to_desk(work, now)
    return out


def _of_rating(work: Work, now: datetime) -> list[OutboundMessage]:
    stretch = work.stretch
    if stretch is None or stretch.handoff is None or not (stretch.asks or stretch.thanks):
        return []
    voice = translate_voice(work.rules.voice, stretch.locale)
    question = question_id(work.conversation.id, stretch.handoff.number)
    said: list[OutboundMessage] = []
    if stretch.thanks:
        said.append(_notice(work, derived_id(question, "thanks"), voice.rating_thanks, (), now))
    if stretch.asks:
        said.append(_notice(work, question, voice.rating_ask, choices_of(voice), now))
    return said


def _notice(
    work: Work, id: str, text: str, choices: tuple[Choice, ...] | list[Choice], now: datetime
) -> OutboundMessage:
    return outbound(
        work.conversation,
        id=id,
        author=Author(kind="system"),
        text=text,
        now=now,
        choices=list(choices),
        purpose="notice",
        turn_id=work.id,
    )


def _counted(work: Work, now: datetime) -> list[Envelope]:
    stretch, conversation = work.stretch, work.conversation.id
    if stretch is None:
        return []
    ended = [
        work.chain.wrap(HANDOFF_ENDED, each, id=derived_id(conversation, "handoff-ended", each.number), now=now)
        for each in stretch.ended
    ]
    given = [
        work.chain.wrap(RATING_GIVEN, each, id=derived_id(each.message_id, "given"), now=now) for each in stretch.given
    ]
    return ended + given


def _to_desk(work: Work, now: datetime) -> list[Envelope]:
    made = [work.chain.wrap(DRAFT_MADE, draft, id=derived_id(draft.id, "draft-made"), now=now) for draft in work.drafts]
    if not _touches(work):
        return made
    stretch = work.stretch
    touched = DeskTouched(
        changed=[] if stretch is None else list(stretch.changed), owner=stretch is not None and stretch.moved, at=now
    )
    return [*made, work.chain.wrap(DESK_TOUCHED, touched, id=derived_id(work.id, "touched"), now=now)]


def _touches(work: Work) -> bool:
    """Whether the desk shows something that this turn changed."""
    stretch, effects = work.stretch, work.effects
    if effects is not None and (effects.approval_requests or effects.hand_back):
        return True
    if stretch is None:
        return False
    if stretch.changed and stretch.handoff is not None:
        return True  # what its author takes back may not stay before people's eyes, whoever has the conversation
    shown = bool(stretch.moved or stretch.asks or stretch.given or stretch.ended)
    return shown or work.conversation.owner in PEOPLE
