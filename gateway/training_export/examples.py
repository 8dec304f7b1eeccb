"""Training examples from the events of a conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.training_export.conversation_grouping import ConversationEvent
from gateway.training_export.conversation_history import ConversationHistory, Message, SettledDraft, read_history
from gateway.training_export.export_rows import (
    ConversationExample,
    ExportMessage,
    ExportPassage,
    Preference,
    Rejection,
    Role,
)
from schemas.privacy.cards import OwnNumbers, mask_cards
from schemas.privacy.one_time_codes import mask_one_time_codes
from schemas.privacy.personal_data import Kind, PersonalData
from schemas.turn_recording import PassageRecord

FindPassages = Callable[[Iterable[str]], Mapping[str, PassageRecord]]
"""Finds passages by their keys, as far as the log still has them."""


def build_examples(
    tenant: str,
    conversation: str,
    events: list[ConversationEvent],
    own: OwnNumbers | None,
    names: Iterable[str] = (),
    find_passages: FindPassages = lambda _: {},
) -> Iterator[ConversationExample | Preference]:
    """The training examples of a conversation: it as a whole if it was approved, each rejected reply, and each draft
    that people sent, changed or discarded. Nothing is learned from a conversation in which the contact may have been in
    danger.

    ``names``: names of its contact, which are removed from the texts."""
    history = read_history(events)
    if not history.turns or history.is_crisis:
        return
    builder = _ExampleBuilder(
        history,
        Anonymizer(own, {*history.names, *names}),
        {"conversation": conversation, "tenant": tenant, "channel": events[0].channel},
        find_passages(key for keys in history.passages.values() for key in keys),
    )
    example = builder.build_approved()
    if example is not None:
        yield example
    yield from builder.iterate_rejected()
    for settled in history.drafts:
        row = builder.build_of_draft(settled)
        if row is not None:
            yield row


@dataclass(frozen=True, slots=True)
class _ExampleBuilder:
    """Builds the rows of one conversation. ``origin``: the fields that all of them share; ``found``: the passages of
    its turns, by their keys."""

    history: ConversationHistory
    anonymize: Anonymizer
    origin: dict[str, str]
    found: Mapping[str, PassageRecord]

    def build_approved(self) -> ConversationExample | None:
        """The conversation as a whole, if it was approved."""
        history = self.history
        if history.with_people or history.dropped or history.is_criticized:
            return None
        groups = _group_by_side(history.messages.values())
        messages = self._merge(groups)
        if not (history.is_praised or history.is_resolved) or len(messages) < 2 or messages[-1].role != "assistant":
            return None
        return ConversationExample(
            messages=messages,
            approved="thumb" if history.is_praised else "resolved",
            models=sorted({turn.model for turn in history.turns if turn.model}),
            passages=[passage for index, (_, group) in enumerate(groups) for passage in self._passages(group, index)],
            at=history.turns[-1].at,
            **self.origin,
        )

    def iterate_rejected(self) -> Iterator[Preference]:
        """Each rejected reply."""
        messages = list(self.history.messages.values())
        for at, message in enumerate(messages):
            reason = find_rejection(self.history, message)
            prompt = self._merge(_group_by_side(messages[:at]))
            if message.turn is None or reason is None or not prompt:
                continue
            criticism = self.history.find_criticism(message.id)
            yield Preference(
                prompt=prompt,
                chosen=_find_correction(messages[at + 1 :], self.anonymize),
                rejected=self.anonymize(message.text),
                reason=reason,
                note="" if criticism is None else self.anonymize(criticism.comment),
                model=message.turn.model,
                passages=self._passages([message], len(prompt)),
                at=message.turn.at,
                **self.origin,
            )

    def build_of_draft(self, settled: SettledDraft) -> ConversationExample | Preference | None:
        """A draft that was sent unchanged is approved. One that was changed or discarded is rejected, in favour of what
        the person wrote. Its passages are not recorded."""
        draft, messages = settled.draft, list(self.history.messages.values())
        prompt = self._merge(_group_by_side(_up_to_contact(messages[: settled.before])))
        if not prompt or not draft.draft.strip():
            return None
        if draft.outcome == "sent":
            answer = ExportMessage(role="assistant", content=self.anonymize(draft.sent))
            return ConversationExample(
                messages=[*prompt, answer],
                approved="draft_sent",
                models=[draft.model] if draft.model else [],
                passages=[],
                at=draft.at,
                **self.origin,
            )
        is_edited, later = draft.outcome == "edited", messages[settled.before :]
        return Preference(
            prompt=prompt,
            chosen=self.anonymize(draft.sent) if is_edited else _find_correction(later, self.anonymize),
            rejected=self.anonymize(draft.draft),
            reason="draft_edited" if is_edited else "draft_discarded",
            model=draft.model,
            passages=[],
            at=draft.at,
            **self.origin,
        )

    def _merge(self, groups: Iterable[tuple[Role, list[Message]]]) -> list[ExportMessage]:
        """The messages for training, one for each group."""
        return [
            ExportMessage(role=role, content="\n".join(self.anonymize(message.text) for message in group))
            for role, group in groups
        ]

    def _passages(self, messages: Iterable[Message], index: int) -> list[ExportPassage]:
        """The passages that were found for these replies, which are the message with this index."""
        turns = (message.turn.id for message in messages if message.turn is not None)
        keys = dict.fromkeys(key for turn in turns for key in self.history.passages.get(turn, ()))
        return [
            ExportPassage(
                message=index,
                document=passage.document,
                heading=passage.heading,
                version=passage.version,
                text=passage.text,
            )
            for key in keys
            if (passage := self.found.get(key)) is not None
        ]


def find_rejection(history: ConversationHistory, message: Message) -> Rejection | None:
    """The reason why a message of the agent counts as rejected, or None."""
    if message.turn is None:
        return None
    if history.find_criticism(message.id) is not None:
        return "thumb"
    if message.id in history.dropped:
        return "discarded"
    return "handed_off" if history.is_followed_by_handoff(message.turn) else None


def _find_correction(later: Iterable[Message], anonymize: Anonymizer) -> str | None:
    """The first message that a person wrote afterwards."""
    text = next((each.text for each in later if each.author == "person" and each.text.strip()), None)
    return None if text is None else anonymize(text)


def _up_to_contact(messages: Sequence[Message]) -> Sequence[Message]:
    """The messages without those that follow the contact's last one."""
    last = max((at for at, message in enumerate(messages) if message.author == "contact"), default=-1)
    return messages[: last + 1]


def _group_by_side(messages: Iterable[Message]) -> list[tuple[Role, list[Message]]]:
    """The messages that contain text. Several messages of one side in a row are one group."""
    groups: list[tuple[Role, list[Message]]] = []
    for message in messages:
        role: Role = "user" if message.author == "contact" else "assistant"
        if not message.text.strip():
            continue
        if groups and groups[-1][0] == role:
            groups[-1][1].append(message)
        else:
            groups.append((role, [message]))
    return groups


class Anonymizer:
    """Anonymizes the texts of one conversation. ``names``: the names of the people in it; ``public``: a text that
    everybody may read, whose mailboxes and telephone numbers stay."""

    def __init__(self, own: OwnNumbers | None, names: Iterable[str], public: str = "") -> None:
        self._own = own
        self._personal = PersonalData(own, names)
        self._public = public.casefold()

    def __call__(self, text: str) -> str:
        masked = mask_one_time_codes(mask_cards(text, self._own), self._own)
        return self._personal.replace(masked, self._substitute)

    def _substitute(self, kind: Kind, value: str) -> str:
        return value if value.casefold() in self._public else f"[{kind}]"
