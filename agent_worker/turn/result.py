"""The result of a turn: everything that it commits, concluded from its input and its response. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from agent_worker.actions.execution.effects import Effects, Notice
from agent_worker.handoff.cancel_handoff import assistant_choice
from agent_worker.handoff.handoff_period import REOPENED, is_open, open_handoff
from agent_worker.handoff.notifications import build_handoff_envelopes
from agent_worker.handoff.reply_templates import PERSON
from agent_worker.reading.suggestions import has_suggestions
from agent_worker.turn.envelopes import build_outbound, build_reply, forward_from_person
from agent_worker.turn.values import HandoffRequest, Response, TurnInput
from schemas.actions import ActionMemory
from schemas.conversation import CitedPassage, Facts, Owner, OwnerRequested, Turn
from schemas.envelope import Envelope
from schemas.handoff.requests import request_by_turn
from schemas.ids import derived_id
from schemas.messages import Author, OutboundMessage
from schemas.ports import AnswerDraft, SearchResult
from schemas.privacy.cards import has_masked_card
from schemas.validation.texts import describe_count

MAX_DECISIONS = 10
"""Decisions on approvals that a conversation keeps for colleagues."""


@dataclass(frozen=True, slots=True)
class TurnResult:
    """The writes that a turn commits. ``record``: the turn record, part of ``outbox``; None if the turn neither replied
    nor acted. ``handoff_request``: the request for people, part of ``outbox`` too."""

    facts: Facts
    outbox: Sequence[Envelope]
    record: Turn | None = None
    handoff_request: OwnerRequested | None = None

    @property
    def turns(self) -> list[Turn]:
        """``record``, as a list of none or one."""
        return [] if self.record is None else [self.record]


def conclude(turn: TurnInput, response: Response, stages: Mapping[str, float], now: datetime) -> TurnResult:
    """Build everything that the turn commits. ``stages``: milliseconds that they took."""
    chain, effects = turn.chain, response.effects
    draft = _complete_draft(turn, response)
    replies = _build_notices(turn, response, now)
    owner_request = _request_owner(turn, response, now)
    facts = _update_facts(turn, response, draft, now)
    if draft is not None:
        name, newest = turn.rules.voice.name, turn.newest
        replies.append(
            build_reply(draft, turn.conversation, turn.id, name=name, message=newest, locale=turn.locale, now=now)
        )
    has_record = bool(replies) or (effects is not None and bool(effects.records))
    record = _build_record(turn, response, draft, replies, stages, now) if has_record else None
    outbox: list[Envelope] = [
        *(chain.wrap_files(stored) for stored in turn.intake.stored),
        *(
            chain.wrap_message(forward_from_person(message, turn.conversation, now), now)
            for message in turn.intake.from_people
        ),
        *(chain.wrap_message(reply, now) for reply in replies),
        *(chain.wrap_approval(approval) for approval in (effects.approval_requests if effects is not None else ())),
        *([chain.wrap_owner_request(owner_request)] if owner_request is not None else ()),
        *([chain.wrap_turn(record)] if record is not None else ()),
        *build_handoff_envelopes(turn, response, now),
    ]
    handoff_request = owner_request if response.handoff_request is not None else None
    return TurnResult(turn.conversation.facts.model_copy(update=facts), outbox, record, handoff_request)


def _complete_draft(turn: TurnInput, response: Response) -> AnswerDraft | None:
    """Complete the draft with remarks about what the agent did not read or see, the notice of the wait, and the cost of
    the summary for people."""
    draft, request = response.reply.draft, response.handoff_request
    if draft is not None:
        remarks = _list_remarks(turn, draft)
        draft = replace(draft, text="\n\n".join(filter(None, (draft.text, *remarks)))) if remarks else draft
    if draft is None or request is None:
        return draft
    draft = replace(draft, tokens=draft.tokens + request.tokens, cost=draft.cost + request.cost)
    text = f"{draft.text}\n\n{request.wait_notice}" if request.wait_notice else draft.text
    return replace(draft, text=text, choices=draft.choices or [assistant_choice(turn.voice)])


def _list_remarks(turn: TurnInput, draft: AnswerDraft) -> list[str]:
    """Tell the contact what the reply does not take into account, and that a card number was hidden. Where people take
    over, they see all the rest."""
    voice, intake = turn.voice, turn.intake
    remarks = [voice.card_hidden] if has_masked_card(intake.text) else []
    if not intake.has_files:
        return remarks
    remarks += [voice.too_long] if intake.is_cut else []
    if intake.non_text or draft.handoff:
        return remarks
    if intake.unheard:
        remarks.append(voice.voice_note_unclear if intake.unheard == "unclear" else voice.voice_note)
    unseen = [file for file in intake.pictures if file.id not in draft.seen]
    if unseen:
        remarks.append(voice.picture_unseen if len(intake.pictures) == 1 else voice.pictures_unseen)
    return remarks


def _build_notices(turn: TurnInput, response: Response, now: datetime) -> list[OutboundMessage]:
    """Build the messages beside the reply. The system is their author if a change of owner must not drop them."""
    notices = list(response.effects.notices) if response.effects is not None else []
    if response.handoff_request is not None and response.handoff_request.wait_notice and response.reply.draft is None:
        notices.append(Notice(f"{turn.id}-wait", response.handoff_request.wait_notice))
    if turn.handoff is not None and turn.handoff.period.left_address:
        notices.append(Notice(f"{turn.id}-address", turn.voice.address_noted))
    if not notices:
        return []
    by_agent = turn.conversation.owner == "agent" and response.handoff_request is None
    author = Author(kind="agent", name=turn.rules.voice.name) if by_agent else Author(kind="system")
    return [
        build_outbound(
            turn.conversation,
            id=derived_id(notice.purpose, "notice"),
            author=author,
            text=notice.text,
            now=now,
            turn_id=turn.id,
        )
        for notice in notices
    ]


def _request_owner(turn: TurnInput, response: Response, now: datetime) -> OwnerRequested | None:
    """The change of owner that the turn asks for. Its id follows the turn, so that a repeat is the same request."""
    effects, owner = response.effects, turn.conversation.owner
    to: Owner = "agent"
    if response.handoff_request is not None:
        to, reason = "queue", response.handoff_request.reason
    elif effects is not None and effects.hand_back and owner == "queue":
        reason = "the request to people is settled"
    elif turn.handoff is not None and turn.handoff.reopens:
        reason = REOPENED
    else:
        return None
    return request_by_turn(turn.conversation, turn.id, to, reason, now)


def _update_facts(turn: TurnInput, response: Response, draft: AnswerDraft | None, now: datetime) -> dict[str, Any]:
    """The facts that this turn changes."""
    facts, answered = turn.conversation.facts, turn.intake.answered
    if draft is not None:
        answered = answered.with_answered(turn.intake.waiting.values())
    changes = answered.to_facts()
    if response.effects is not None:
        memory = response.effects.memory
        changes["actions"] = None if memory == ActionMemory() else memory
        changes["decisions"] = (*facts.decisions, *response.effects.decisions)[-MAX_DECISIONS:]
    if draft is not None:
        changes |= {
            "turns": facts.turns + 1,
            "locale": turn.locale,
            "last_turn_id": turn.id,
            "document_wait": None,
            "last_route": response.reply.route.name,
            "declined_in_a_row": _count_declined(facts.declined_in_a_row, draft),
            "person_offered": any(choice.id == PERSON for choice in draft.choices),
        }
    if response.handoff_request is not None:
        changes |= _handoff_facts(turn, response.handoff_request, now)
    return changes


def _handoff_facts(turn: TurnInput, request: HandoffRequest, now: datetime) -> dict[str, Any]:
    """A new handoff, unless people were asked before and have not come yet."""
    conversation, previous = turn.conversation, turn.conversation.facts.handoff
    if is_open(previous):
        return {"locale": turn.locale}
    handoff = open_handoff(
        previous,
        reason=request.reason,
        since_seq=conversation.head_seq,
        at=now,
        epoch=conversation.epoch,
        summary=list(request.summary),
        waiting=request.waiting,
        **({"reach_at": list(request.reach_at)} if request.reach_at else {}),
    )
    return {"locale": turn.locale, "handoff": handoff}


def _build_record(
    turn: TurnInput,
    response: Response,
    draft: AnswerDraft | None,
    replies: Sequence[OutboundMessage],
    stages: Mapping[str, float],
    now: datetime,
) -> Turn:
    reply, route, effects = response.reply, response.reply.route, response.effects
    draft = draft or AnswerDraft(text="", answered=True)
    outcome, reasons = _describe_actions(turn, effects, draft) or _describe_reply(draft, reply.search_result)
    request = response.handoff_request if route.name != "person" else None
    return Turn(
        id=turn.id,
        handled=list(turn.intake.waiting),
        route=route.name,
        outcome=outcome,
        intent=route.intent,
        scores=dict(route.scores),
        reasons=[*route.reasons, *reasons, *([request.reason] if request is not None else ()), *draft.reasons],
        confidence=min(1.0, max(0.0, reply.search_result.confidence)),
        model=draft.model,
        tokens=draft.tokens,
        cost=draft.cost,
        stages=dict(stages),
        passages=list_cited_passages(reply.search_result, draft),
        actions=[] if effects is None else effects.records,
        replies=list(replies),
        at=now,
    )


def _describe_actions(turn: TurnInput, effects: Effects | None, draft: AnswerDraft) -> tuple[str, list[str]] | None:
    """Describe a turn that acted, asked for a confirmation, or asked for a parameter; None for any other."""
    if effects is None:
        return None
    reasons = [f"{record.name}: {record.outcome}" for record in effects.records]
    if effects.question is not None:
        reasons.append(f"{effects.question.action}: asked first")
    return ("action", reasons) if reasons else _describe_dialogue(turn, effects, draft)


def _describe_dialogue(turn: TurnInput, effects: Effects, draft: AnswerDraft) -> tuple[str, list[str]] | None:
    """Describe a turn that asked for a parameter of an action, or ended that dialogue; None if the reply is about
    something else."""
    before = turn.conversation.facts.actions
    filling, previous = effects.memory.filling, before.filling if before is not None else None
    if filling == previous:
        return None
    if filling is not None:
        return "action", [f"{filling.action}: asked for {filling.asked or 'a yes'}"]
    is_about_else = previous is None or draft.handoff or draft.citations or not draft.answered
    return None if is_about_else or previous is None else ("action", [f"{previous.action}: ended"])


def _count_declined(before: int, draft: AnswerDraft) -> int:
    """Answers in a row that did not help. Whether suggestions do is not known yet."""
    if draft.answered:
        return 0
    return before if has_suggestions(draft.choices) else before + 1


def _describe_reply(draft: AnswerDraft, search_result: SearchResult) -> tuple[str, list[str]]:
    """Describe a turn that only replied: its outcome and the reasons."""
    if draft.handoff:
        return "person", []
    if not draft.answered:
        what = "sections were offered" if has_suggestions(draft.choices) else "the documents contain no answer"
        return "declined", [f"{what} (confidence {search_result.confidence:.2f})"]
    if draft.citations:
        return "answer", [f"{describe_count(len(draft.citations), 'quote')} from {draft.citations[0].document}"]
    return "small_talk", ["nothing was asked"]


def list_cited_passages(search_result: SearchResult, draft: AnswerDraft) -> list[CitedPassage]:
    """List the retrieved passages, and those cited without retrieval: from a prompt with all documents, or from an
    action's result."""
    cited = dict.fromkeys((citation.document, citation.heading) for citation in draft.citations)
    passages = [
        CitedPassage(
            document=passage.document,
            heading=passage.heading,
            score=round(passage.score, 4),
            cited=(passage.document, passage.heading) in cited,
        )
        for passage in search_result.passages
    ]
    others = [place for place in cited if place not in {(one.document, one.heading) for one in passages}]
    return passages + [
        CitedPassage(document=document, heading=heading, score=0.0, cited=True) for document, heading in others
    ]
