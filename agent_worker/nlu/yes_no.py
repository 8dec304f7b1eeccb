"""Recognition of messages that are a yes or a no and nothing else. The phrases are in ``yes_no.toml``.

A yes may start an action, so only whole messages count: every word has to belong to the list. Case, diacritics,
punctuation and repeated letters ("Yesss!!") make no difference. The list contains romanized spellings too.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Answer = Literal["yes", "no", "unclear", ""]
"""``unclear``: a word that looks like an answer and could mean either. Empty for anything else."""
Meaning = Literal["yes", "no", "polite", "unclear"]
Phrases = dict[tuple[str, ...], Meaning]


class AnswerPhrases(BaseModel):
    """Phrases of one language, separated by "|". ``polite`` phrases may accompany a yes or a no and mean neither.
    ``unclear`` words mean yes or no in other languages, or could mean both, so they are no answer in this one.
    ``around``: what stands around the verb in "yes, I want to cancel it". ``verb``: its place in an action's title,
    among the words that do not name what it is done to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    yes: str
    no: str
    polite: str = ""
    unclear: str = ""
    around: str = ""
    verb: Literal["first", "last"] = "first"


@cache
def load_answer_phrases() -> Mapping[str, AnswerPhrases]:
    """The phrases by language: those of Europe, and those with the most speakers."""
    tables = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return {language: AnswerPhrases.model_validate(table) for language, table in tables.items()}


_COMMON = AnswerPhrases(yes="ok|okay|yes", no="", polite="please")
"""Understood in every language."""
_ONLY_IN_OWN_LANGUAGE = frozenset([
    "a", "an", "e", "ee", "eh", "ha", "haa", "he", "hej", "ho", "i", "k",
    "la", "na", "nu", "s", "sari", "shi", "to", "u", "um", "un",
])  # fmt: skip
"""Words too short, or too common elsewhere, to count in other languages."""
_ICON_ANSWERS: dict[str, Answer] = {
    "👍": "yes",
    "👌": "yes",
    "✅": "yes",
    "✔": "yes",
    "☑": "yes",
    "🆗": "yes",
    "👎": "no",
    "❌": "no",
    "✖": "no",
    "🚫": "no",
}
_NEUTRAL_ICONS = frozenset("🙂😊😀😃😄😁☺🙏❤")
"""May accompany an answer without being one."""
_MODIFIERS = re.compile("[\U0001f3fb-\U0001f3ff\ufe0e\ufe0f\u200d]")
"""Skin tones and variation selectors."""
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0640]")
_LETTERS = str.maketrans(
    {"ı": "i", "ł": "l", "đ": "d", "ø": "o", "æ": "ae", "أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي", "ی": "ي", "ک": "ك"}
)
_APOSTROPHES = re.compile("['’ʼ`´]")
_REPEATED_LETTER = re.compile(r"([^\W\d_])\1{2,}")
_DOUBLE_LETTER = re.compile(r"([^\W\d_])\1\b")
_QUESTION_MARK = re.compile("[?？؟]")
_ASCII_WORD = re.compile("[a-z]+")
_ASCII_SYMBOL = re.compile("[0-9$+<=>^|~]")
"""What is neither a letter nor punctuation nor a blank, of what ``normalize`` leaves."""
_MAX_LENGTH = 80
"""Characters of an answer."""
_MAX_WORDS = 12
_MIN_STEM = 4
"""Letters that two forms of a word share at least."""
_MAX_AROUND = 4
"""Words of a phrase around a verb."""


def yes_or_no(text: str, language: str = "") -> Answer:
    """The answer that the whole message gives. ``language``, the contact's, decides when a word has another meaning in
    another language. Without it, or if its list lacks the phrase, all lists count, and a phrase that means yes in one
    language and no in another is ``unclear``."""
    if len(text) > _MAX_LENGTH:
        return ""
    words, icons = _split(text)
    if icons is None or len(words) > _MAX_WORDS:
        return ""
    if not words:
        return icons.pop() if len(icons) == 1 else "unclear" if icons else ""
    answer = _classify_words(words, language)
    is_plain = not _QUESTION_MARK.search(text) and (not icons or icons == {answer})
    return answer if is_plain or not answer else "unclear"


def repeats_in_yes(text: str, language: str, title: str, objects: str) -> bool:
    """Return whether the message is a yes that repeats what it is a yes to: "yes, cancel it" to the ``title`` "Cancel
    an order". ``objects``: words for what it is done to, such as "Order number": they may be repeated too, but "yes, my
    order" does not say what becomes of it. A no that does so could mean either, and "please cancel it" the request once
    more: it needs a yes of its own. Only the contact's language counts."""
    words, icons = _split(text[: _MAX_LENGTH + 1])
    own = language.replace("_", "-").partition("-")[0].casefold()
    table = load_answer_phrases().get(own)
    if table is None or icons is None or len(text) > _MAX_LENGTH or _QUESTION_MARK.search(text):
        return False
    beside = (table.around, table.polite, _COMMON.polite)
    around = {_split(phrase)[0] for phrases in beside for phrase in phrases.split("|")} - {()}
    among = _split(objects)[0]
    done = [word for word in _split(title)[0] if not any(_is_same_stem(word, other) for other in among)]
    verb = done[-1:] if table.verb == "last" else done[:1]
    left: list[str] = []
    at = 0
    is_repeated = False
    while at < len(words):
        skipped = next((size for size in range(_MAX_AROUND, 0, -1) if words[at : at + size] in around), 0)
        is_answer = not skipped and _phrases(own).get(words[at : at + 1]) in ("yes", "no")
        if not skipped and not is_answer and any(_is_same_stem(words[at], other) for other in (*verb, *among)):
            skipped = 1
            is_repeated = is_repeated or any(_is_same_stem(words[at], other) for other in verb)
        if not skipped:
            left.append(words[at])
        at += skipped or 1
    return is_repeated and bool(left) and _classify_words(tuple(left), own) == "yes"


def _is_same_stem(word: str, other: str) -> bool:
    """Return whether two words differ only in their endings: "cancel" and "cancelled"."""
    length = max(_MIN_STEM, min(len(word), len(other)) - 2)
    return word == other or (min(len(word), len(other)) >= _MIN_STEM and word[:length] == other[:length])


def is_own_yes_or_no(text: str, language: str) -> bool:
    """Return whether the message is a yes, a no, or either, in the contact's language or in English. In other languages
    the same word may be a name."""
    words, icons = _split(text[:_MAX_LENGTH])
    if not words:
        return bool(icons)
    lists = [_phrases(one) for one in (language.replace("_", "-").partition("-")[0].casefold(), "en")]
    return any(_meanings(spelling, phrases) - {"polite"} for phrases in lists for spelling in _spellings(words))


def _classify_words(words: tuple[str, ...], language: str) -> Answer:
    own = language.replace("_", "-").partition("-")[0].casefold()
    for spelling in _spellings(words):
        meant = _meanings(spelling, _phrases(own))
        if meant:
            return _answer(meant)
    if len(words) == 1 and words[0] in _ONLY_IN_OWN_LANGUAGE:
        return ""
    for spelling in _spellings(words):
        answers = {_answer(_meanings(spelling, _phrases(other))) for other in load_answer_phrases() if other != own} & {
            "yes",
            "no",
        }
        if answers:
            return answers.pop() if len(answers) == 1 else "unclear"
    return ""


def _answer(meanings: set[Meaning]) -> Answer:
    answers: set[Answer] = {one for one in meanings if one != "polite"}
    return "" if not answers else answers.pop() if len(answers) == 1 else "unclear"


def _meanings(words: tuple[str, ...], phrases: Phrases) -> set[Meaning]:
    """Meanings of the phrases that the words consist of, longest first; empty when a word is left over."""
    meanings: set[Meaning] = set()
    at = 0
    while at < len(words):
        for end in range(min(len(words), at + _MAX_WORDS), at, -1):
            if (meaning := phrases.get(words[at:end])) is not None:
                meanings.add(meaning)
                at = end
                break
        else:
            return set()
    return meanings


@cache
def _phrases(language: str) -> Phrases:
    own = load_answer_phrases().get(language)
    if own is None:
        return {}
    lists: list[tuple[Meaning, str]] = []
    for one in (_COMMON, own):
        lists += [("polite", one.polite), ("yes", one.yes), ("no", one.no), ("unclear", one.unclear)]
    return {_split(phrase)[0]: meaning for meaning, phrases in lists for phrase in phrases.split("|") if phrase.strip()}


def _spellings(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """As written, then with repeated letters reduced."""
    text = " ".join(words)
    once, twice = _REPEATED_LETTER.sub(r"\1", text), _REPEATED_LETTER.sub(r"\1\1", text)
    for spelling in dict.fromkeys(
        (text, once, twice, _DOUBLE_LETTER.sub(r"\1", text), _DOUBLE_LETTER.sub(r"\1", twice))
    ):
        yield tuple(spelling.split())


def _split(text: str) -> tuple[tuple[str, ...], set[Answer] | None]:
    """The normalized words, and the meanings of the emoji; None instead of these for an unknown symbol."""
    plain = normalize(text)
    if plain.isascii():
        # Letter by letter, as below, it takes ten times as long.
        return ((), None) if _ASCII_SYMBOL.search(plain) else (tuple(_ASCII_WORD.findall(plain)), set())
    icons: set[Answer] = set()
    letters: list[str] = []
    for letter in plain:
        if letter in _ICON_ANSWERS:
            icons.add(_ICON_ANSWERS[letter])
            letters.append(" ")
        elif letter in _NEUTRAL_ICONS or unicodedata.category(letter)[0] in "PZC":
            letters.append(" ")
        elif unicodedata.category(letter)[0] in "LM":
            letters.append(letter)
        else:
            return (), None
    return tuple("".join(letters).split()), icons


def normalize(text: str) -> str:
    """The text without case, diacritics, apostrophes and skin tones, which people use differently."""
    if text.isascii():
        return text.lower().replace("'", "").replace("`", "")
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", _MODIFIERS.sub("", text).casefold()))
    return _APOSTROPHES.sub("", unicodedata.normalize("NFC", plain).translate(_LETTERS))
