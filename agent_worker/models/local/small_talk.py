"""Detection of messages that ask the documents nothing: courtesies, complaints about an answer, and requests for a
person."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from typing import Literal

from agent_worker.nlu.classification import small_talk_kind, thanks_for_no, topics_in
from agent_worker.nlu.yes_no import yes_or_no
from agent_worker.reading.suggestions import follows_closest, has_suggestions
from agent_worker.voice import list_default_phrases
from schemas.messages import TranscriptMessage

SmallTalkKind = Literal[
    "greeting",
    "thanks",
    "goodbye",
    "abilities",
    "presence",
    "complaint",
    "complaint_again",
    "declined",
    "go_on",
    "person",
    "",
]
"""``declined``: a no that leaves nothing open; ``go_on``: a sign of attention such as "ok", "lol" or "?", answered by
asking what else to do."""
_MAX_SIGN_WORDS = 3
"""Words of a sign of attention."""
_MAX_ICONS = 40
"""Characters of a message that consists of emoji."""
_HAPPY_ICONS = frozenset("👍🙏👏🙌👌💪🤩😊🙂😀😃😄😁😍😘🤗🥰😎🎉🎊🌹🌸💐✅✔🆗💯⭐✨☺😇🤝♡♥❣❤🤍🤎🤏🧡") | frozenset(
    map(chr, range(0x1F493, 0x1F4A0))
)
_UNHAPPY_ICONS = frozenset("👎😠😡🤬😤😦😒🙄🖕❌😞😟🤢🤮💩")
_WAVING_ICONS = frozenset("👋")


def classify_small_talk(
    text: str, history: Sequence[TranscriptMessage], own: Collection[str] = (), locale: str = ""
) -> SmallTalkKind:
    """The kind of small talk that the whole message is; empty when it asks something or answers the agent's question.
    ``own``: the tenant's set phrases, after which no question is open."""
    if asks_for_person(text):
        return "person"
    last = _last_reply(history)
    answer = yes_or_no(text, locale)
    if last is not None and any(choice.id == "person" for choice in last.choices) and answer in ("yes", "no"):
        return "person" if answer == "yes" else "declined"
    if answer == "yes" and not small_talk_kind(text) and _has_refused_person(history):
        return "person"
    if not _has_words(text):
        return _escalate_complaint(_classify_icons(text, history, own), history)
    kind = small_talk_kind(text)
    if answer == "no" and kind in ("", "thanks", "laugh"):
        is_refused = thanks_for_no(text) and last is not None and has_suggestions(last.choices)
        return "declined" if is_refused or not _has_open_question(last, own) else ""
    if kind and kind != "laugh" and kind != "person":
        return _escalate_complaint(kind, history)
    is_sign = answer == "yes" or (kind == "laugh" and len(text.split()) <= _MAX_SIGN_WORDS)
    return "go_on" if is_sign and not _has_open_question(last, own) else ""


def _has_refused_person(history: Sequence[TranscriptMessage]) -> bool:
    """True if the contact's last words were a no to the offer of a person."""
    said = next((n for n in reversed(range(len(history))) if history[n].author.kind == "contact"), None)
    offer = None if said is None else _last_reply(history[:said])
    return (
        said is not None
        and offer is not None
        and any(choice.id == "person" for choice in offer.choices)
        and yes_or_no(history[said].text) == "no"
    )


def asks_for_person(text: str) -> bool:
    return "person" in topics_in(text) or small_talk_kind(text) == "person"


def _classify_icons(text: str, history: Sequence[TranscriptMessage], own: Collection[str]) -> SmallTalkKind:
    """Answer a message without letters and digits: emoji, or nothing but question marks."""
    signs = {sign for sign in text[: _MAX_ICONS + 1] if not sign.isspace()}
    icons = {sign for sign in signs if unicodedata.category(sign) == "So"}
    if not signs or len(text.strip()) > _MAX_ICONS:
        return ""
    if icons & _UNHAPPY_ICONS:
        return "complaint"
    if icons & _HAPPY_ICONS:
        return "thanks"
    if icons & _WAVING_ICONS:
        return "greeting"
    return "" if _has_open_question(_last_reply(history), own) and not icons else "go_on"


def _escalate_complaint(kind: SmallTalkKind, history: Sequence[TranscriptMessage]) -> SmallTalkKind:
    """A second complaint in a row becomes ``complaint_again``."""
    if kind != "complaint":
        return kind
    before = next((line for line in reversed(history) if line.author.kind == "contact"), None)
    return "complaint_again" if before is not None and _is_complaint(before.text) else "complaint"


def _is_complaint(text: str) -> bool:
    return small_talk_kind(text) == "complaint" or (
        not _has_words(text) and _classify_icons(text, (), ()) == "complaint"
    )


def _has_words(text: str) -> bool:
    return any(sign.isalnum() for sign in text)


def _has_open_question(last: TranscriptMessage | None, own: Collection[str]) -> bool:
    """Return whether the agent's last reply asked a question that this message may answer."""
    if last is None or last.author.kind == "system":
        return False
    text = last.text.strip()
    if text in own or text in list_default_phrases() or follows_closest(last.choices):
        return False
    return bool(last.choices) or text.endswith(("?", "\uff1f", "\u061f"))


def _last_reply(history: Sequence[TranscriptMessage]) -> TranscriptMessage | None:
    return next((line for line in reversed(history) if line.author.kind != "contact"), None)
