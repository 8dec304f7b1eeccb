"""Messages that ask nothing of the documents: courtesy, complaints about an answer, and the wish for a person."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from typing import Literal

from agent_worker.nlu.classification import small_talk, topics_in
from agent_worker.nlu.yes_no import yes_or_no
from agent_worker.phrases import SET_PHRASES
from schemas.messages import TranscriptMessage

Talk = Literal[
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
"""``declined``: a no that leaves nothing open; ``go_on``: a sign of attention, such as "ok", "lol" or "?", to which the
answer is what else there is to do."""
_SIGN = 3
"""Words of a sign of attention."""
_LONGEST_ICONS = 40
"""Characters of a message that is nothing but emoji."""
_GLAD = frozenset("👍🙏👏🙌👌💪🤩😊🙂😀😃😄😁😍😘🤗🥰😎🎉🎊🌹🌸💐✅✔🆗💯⭐✨☺😇🤝♡♥❣❤🤍🤎🤏🧡") | frozenset(
    map(chr, range(0x1F493, 0x1F4A0))
)
_SORRY = frozenset("👎😠😡🤬😤😦😒🙄🖕❌😞😟🤢🤮💩")
_WAVES = frozenset("👋")


def talk_of(text: str, history: Sequence[TranscriptMessage], own: Collection[str] = (), locale: str = "") -> Talk:
    """What kind of small talk the whole message is; empty when it asks something, or answers a question of the agent.
    ``own``: set phrases of the tenant, beside ours, after which nothing is open."""
    if asks_person(text):
        return "person"
    last = _last_of_agent(history)
    answer = yes_or_no(text, locale)
    if last is not None and any(choice.id == "person" for choice in last.choices) and answer in ("yes", "no"):
        return "person" if answer == "yes" else "declined"
    if not _has_words(text):
        return _with_past(_of_icons(text, history, own), history)
    kind = small_talk(text)
    if answer == "no" and kind in ("", "thanks", "laugh"):
        return "" if _is_open(last, own) else "declined"
    if kind and kind != "laugh" and kind != "person":
        return _with_past(kind, history)
    is_sign = answer == "yes" or (kind == "laugh" and len(text.split()) <= _SIGN)
    return "go_on" if is_sign and not _is_open(last, own) else ""


def asks_person(text: str) -> bool:
    return "person" in topics_in(text) or small_talk(text) == "person"


def _of_icons(text: str, history: Sequence[TranscriptMessage], own: Collection[str]) -> Talk:
    """Of a message without letters and digits: emoji, or nothing but question marks."""
    signs = {sign for sign in text[: _LONGEST_ICONS + 1] if not sign.isspace()}
    icons = {sign for sign in signs if unicodedata.category(sign) == "So"}
    if not signs or len(text.strip()) > _LONGEST_ICONS:
        return ""
    if icons & _SORRY:
        return "complaint"
    if icons & _GLAD:
        return "thanks"
    if icons & _WAVES:
        return "greeting"
    return "" if _is_open(_last_of_agent(history), own) and not icons else "go_on"


def _with_past(talk: Talk, history: Sequence[TranscriptMessage]) -> Talk:
    """Who says a second time that an answer is wrong is not put off again."""
    if talk != "complaint":
        return talk
    before = next((line for line in reversed(history) if line.author.kind == "contact"), None)
    return "complaint_again" if before is not None and _is_complaint(before.text) else "complaint"


def _is_complaint(text: str) -> bool:
    return small_talk(text) == "complaint" or (not _has_words(text) and _of_icons(text, (), ()) == "complaint")


def _has_words(text: str) -> bool:
    return any(sign.isalnum() for sign in text)


def _is_open(last: TranscriptMessage | None, own: Collection[str]) -> bool:
    """Whether the agent has asked something of its own last, to which the message may be the answer."""
    if last is None or last.author.kind == "system":
        return False
    said = last.text.strip()
    if said in SET_PHRASES or said in own:
        return False
    return bool(last.choices) or said.endswith(("?", "\uff1f", "\u061f"))


def _last_of_agent(history: Sequence[TranscriptMessage]) -> TranscriptMessage | None:
    return next((line for line in reversed(history) if line.author.kind != "contact"), None)
