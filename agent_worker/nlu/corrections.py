"""Corrections among messages that are answered together: "no wait, to Norway, not Austria" changes the question before
it.

A correction is recognized by its opening, or by naming both sides. It is applied only if it is clear which words of an
earlier sentence it replaces; otherwise it remains a line of the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from agent_worker.knowledge.text.analysis import term, terms
from agent_worker.knowledge.text.query_splitting import is_question, sentences_of


@dataclass(frozen=True, slots=True)
class CorrectionPhrases:
    """Phrases of corrections in one language, separated by "|". ``strong`` openings mean that something else was meant;
    ``weak`` ones may also begin anything else. ``instead``, ``versus`` and ``but`` separate the two sides: "Norway
    instead of Austria", "Norway, not Austria", "not Austria but Norway". ``function_words`` precede what is replaced,
    such as "to"; only those that are not stop words."""

    strong: str
    weak: str
    instead: str
    versus: str
    but: str
    function_words: str = ""


PHRASES: dict[str, CorrectionPhrases] = {
    "en": CorrectionPhrases(
        strong="no wait|wait no|no sorry|sorry no|sorry i mean|sorry i meant|i mean|i meant|i meant to say|correction"
        "|scratch that|my mistake|my bad|make that|typo|oops i mean|oops i meant|rather",
        weak="no|sorry|oops|actually|wait|or rather|i said",
        instead="instead of|rather than",
        versus="not",
        but="but",
    ),
    "de": CorrectionPhrases(
        strong="nein warte|nein moment|warte nein|ich meine|ich meinte|sorry ich meine|sorry ich meinte|korrektur"
        "|besser gesagt|quatsch|ach nein|nein doch|verschrieben|entschuldigung ich meine|entschuldigung ich meinte",
        weak="nein|sorry|entschuldigung|moment|warte|doch",
        instead="statt|anstatt|anstelle von",
        versus="nicht",
        but="sondern",
        function_words="nach|in|zu|zum|zur|für|mit|ohne|von|vom|bei|ab|bis|um|am|im|auf|aus|an|der|die|das|den|dem|ein|eine|einen",
    ),
    "fr": CorrectionPhrases(
        strong="non attendez|non attends|je veux dire|je voulais dire|pardon je voulais dire|désolé je voulais dire"
        "|correction|plutôt|ou plutôt|enfin non|désolée je voulais dire",
        weak="non|pardon|désolé|désolée|oups|attendez|attends|en fait",
        instead="au lieu de|plutôt que",
        versus="pas|et pas|et non",
        but="mais",
        function_words="à|au|aux|en|de|du|des|pour|avec|sans|sur|vers|le|la|les|un|une|d|l|chez|dans",
    ),
    "es": CorrectionPhrases(
        strong="no espera|no espere|quise decir|quiero decir|quería decir|perdón quise decir|perdona quise decir"
        "|mejor dicho|más bien|corrección|perdón quería decir",
        weak="no|perdón|perdona|perdone|espera|en realidad|ups",
        instead="en vez de|en lugar de",
        versus="no|y no",
        but="sino",
        function_words="a|al|en|de|del|para|por|con|sin|sobre|hacia|el|la|los|las|un|una|desde|hasta",
    ),
}
_MAX_LENGTH = 400
"""Characters of a sentence that may be a correction."""
_MAX_REPLACED_WORDS = 8
"""Words of a replacement."""
_MIN_RATIO = 0.6
"""From this similarity on a word is the correct spelling of another."""
_MIN_SHARED = 0.5
"""Share of an earlier question's words that a new version of it must have."""


def _one_of(phrases: Iterator[str]) -> str:
    """A pattern for the phrases, longest first. Any space and comma may separate their words."""
    longest_first = sorted({phrase for listed in phrases for phrase in listed.split("|")}, key=len, reverse=True)
    return "|".join(r"[\s,]{1,3}".join(map(re.escape, phrase.split())) for phrase in longest_first)


_STRONG = _one_of(row.strong for row in PHRASES.values())
_WEAK = _one_of(row.weak for row in PHRASES.values())
_INSTEAD = _one_of(row.instead for row in PHRASES.values())
_VERSUS = _one_of(row.versus for row in PHRASES.values())
_BUT = _one_of(row.but for row in PHRASES.values())
_BUT_ENDS = re.compile(rf"\s(?:{_BUT})$", re.IGNORECASE)
_END = r"(?=[\s,:;.!…–—-]|$)"
_OPENER = re.compile(
    rf"[\s,.…–—-]{{0,5}}(?:(?P<strong>{_STRONG})|(?P<weak>{_WEAK})|(?P<star>\*)){_END}?", re.IGNORECASE
)
_BEGINS = frozenset(phrase.split()[0] for row in PHRASES.values() for phrase in f"{row.strong}|{row.weak}".split("|"))
"""The first words of all openings."""
_MAX_EARLIER = 12
"""Earlier sentences that a correction may be about."""
_WITHIN = re.compile(rf"[,;…–—-]\s{{0,3}}\b(?={_STRONG})", re.IGNORECASE)
_NOT_BUT = re.compile(rf"^(?:{_VERSUS})\s(?P<old>.{{1,80}}?),?\s(?:{_BUT})\s(?P<new>.{{1,80}})$", re.IGNORECASE)
_NEW_NOT = re.compile(rf"^(?P<new>.{{1,80}}?),?\s(?:{_INSTEAD}|{_VERSUS})\s(?P<old>.{{1,80}})$", re.IGNORECASE)
_MARKS = " \t,.;:!?…–—-*\"'“”„»«()"
_FIGURE = re.compile(r"\d[\d.,]*")
_NAME = re.compile(r"(?<=\s)[A-ZÀ-Þ][\w'’-]*(?:\s[A-ZÀ-Þ][\w'’-]*)*")
_UNIT = re.compile(r"\s?([^\W\d_]{1,20}|[€$£%])")
_FUNCTION_WORDS = frozenset(word for row in PHRASES.values() for word in row.function_words.split("|") if word)
_WORD = re.compile(r"[^\W_][\w'’-]*")


def apply_corrections(messages: Sequence[str]) -> list[str]:
    """The messages as they were meant, without those that are only corrections."""
    if len(messages) == 1 and "*" not in messages[0] and _BEGINS.isdisjoint(_WORD.findall(messages[0].casefold())):
        return list(messages)
    lines = [
        [piece for sentence in sentences_of(text) for piece in _split_at_correction(sentence)] for text in messages
    ]
    if sum(map(len, lines)) < 2:
        return list(messages)  # there is nothing before it that it could correct
    before: list[tuple[int, int]] = []
    opening: tuple[int, int] | None = None
    changed = False
    for n, line in enumerate(lines):
        for m, sentence in enumerate(line):
            if _is_opening(sentence):
                opening = (n, m)
                continue
            if before and _apply(lines, before, sentence, opened=opening is not None):
                line[m], changed = "", True
                if opening is not None:
                    lines[opening[0]][opening[1]] = ""
            else:
                before.append((n, m))
            opening = None
    if not changed:
        return list(messages)
    return [text for line in lines if (text := " ".join(piece for piece in line if piece))]


def _split_at_correction(sentence: str) -> list[str]:
    """A sentence may correct its own beginning: "to Austria, I mean Norway"."""
    found = _WITHIN.search(sentence[:_MAX_LENGTH])
    if found is None or not found.start() or _is_opening(sentence[: found.start()]):
        return [sentence]
    return [sentence[: found.start()], sentence[found.end() :]]


def _is_opening(sentence: str) -> bool:
    """Return whether it only announces a correction: "no wait …"."""
    return len(sentence) <= _MAX_LENGTH and _split_opener(sentence)[0] != "" and not _split_opener(sentence)[1]


def _split_opener(sentence: str) -> tuple[Literal["", "weak", "strong"], str]:
    """The strength of the sentence's opening, and the rest of the sentence."""
    force: Literal["", "weak", "strong"] = ""
    rest = sentence
    while (found := _OPENER.match(rest)) and found.end() and _ends_word(rest, found.end()):
        force = "strong" if force == "strong" or found["strong"] or found["star"] else "weak"
        rest = rest[found.end() :]
    return force, rest.strip(_MARKS)


def _ends_word(text: str, at: int) -> bool:
    return at >= len(text) or text[at - 1] == "*" or not text[at].isalnum()


def _apply(lines: list[list[str]], before: Sequence[tuple[int, int]], sentence: str, *, opened: bool) -> bool:
    """Change the latest earlier sentence that it corrects; False when there is none."""
    if len(sentence) > _MAX_LENGTH:
        return False
    force, rest = _split_opener(sentence)
    if opened:
        force = force or "weak"
    for n, m in reversed(before[-_MAX_EARLIER:]) if rest else ():
        corrected = _replace(lines[n][m], rest, force)
        if corrected and corrected != lines[n][m]:
            lines[n][m] = corrected
            return True
    return False


def _replace(earlier: str, rest: str, force: Literal["", "weak", "strong"]) -> str:
    """The earlier sentence with the words that ``rest`` corrects; empty when it corrects none."""
    both = None if is_question(rest) else _NOT_BUT.match(rest) or _NEW_NOT.match(rest)
    if both is not None and len(rest.split()) <= 2 * _MAX_REPLACED_WORDS and not _BUT_ENDS.search(both["new"]):
        return _swap(earlier, both["old"].strip(_MARKS), both["new"].strip(_MARKS))
    if not force:
        return ""
    if is_question(rest) and len(rest.split()) >= 3:
        return f"{rest}?" if force == "strong" and _same_question(earlier, rest) else ""
    if len(rest.split()) > _MAX_REPLACED_WORDS or not terms(rest):
        return ""
    found = _replace_in_place(earlier, rest)
    if not found and force == "strong":
        found = _fix_spelling(earlier, rest)
    may_name = len(rest.split()) <= 3 and (force == "strong" or all(word[:1].isupper() for word in rest.split()))
    return found or (_replace_name(earlier, rest) if may_name else "")


def _swap(earlier: str, old: str, new: str) -> str:
    """``new`` in place of ``old``, possibly with a function word before each: "to Norway" for "Austria"."""
    for lead in (new.partition(" ")[0], ""):
        if lead and not _is_function_word(lead):
            continue
        sought = f"{lead} {old}".strip() if not _begins_with(old, lead) else old
        found = re.search(rf"(?<!\w){re.escape(sought)}(?!\w)", earlier, re.IGNORECASE)
        if found:
            put = new if lead or not _starts_with_function_word(new) else new.partition(" ")[2]
            return earlier[: found.start()] + put + earlier[found.end() :]
    first, rest = old.partition(" ")[0], old.partition(" ")[2]
    return _swap(earlier, rest, new) if rest and _is_function_word(first) else ""


def _begins_with(text: str, word: str) -> bool:
    return bool(word) and text.casefold().startswith(f"{word.casefold()} ")


def _starts_with_function_word(text: str) -> bool:
    """Such as "to"."""
    first, _, more = text.partition(" ")
    return bool(more) and _is_function_word(first)


def _is_function_word(word: str) -> bool:
    return word.casefold() in _FUNCTION_WORDS or not term(word)


def _replace_in_place(earlier: str, new: str) -> str:
    """Replace what follows the same function word ("to Norway" for "to Austria"), ends with the same word ("two pots"
    for "three pots"), or has the same unit."""
    if _starts_with_function_word(new):
        lead = re.escape(new.partition(" ")[0])
        after = rf"(?<!\w)(?i:{lead})\s(?:\w{{1,4}}\s)??[^\W_][\w'’-]*(?:\s[A-ZÀ-Þ][\w'’-]*)*"
        fit = [one for one in re.finditer(after, earlier) if set(terms(one[0])) - set(terms(lead))]
        if fit:
            return earlier[: fit[-1].start()] + new + earlier[fit[-1].end() :]
    words, new_words = list(_WORD.finditer(earlier)), _WORD.findall(new)
    for end in range(len(words) - 1, len(new_words) - 2, -1):
        if len(new_words) > 1 and words[end][0].casefold() == new_words[-1].casefold():
            return earlier[: words[end - len(new_words) + 1].start()] + new + earlier[words[end].end() :]
    return _replace_number(earlier, new)


def _replace_number(earlier: str, new: str) -> str:
    figure = _FIGURE.search(new)
    if figure is None or len(new.split()) > 2:
        return ""
    figures = list(_FIGURE.finditer(earlier))
    unit = _UNIT.match(new, figure.end())
    if unit is not None:
        figures = [one for one in figures if (its := _UNIT.match(earlier, one.end())) and its[1] == unit[1]]
    if len(figures) != 1:
        return ""
    return earlier[: figures[0].start()] + figure[0].rstrip(".,") + earlier[figures[0].end() :]


def _fix_spelling(earlier: str, new: str) -> str:
    """Replace the most similar word."""
    if len(new.split()) != 1:
        return ""
    words = list(_WORD.finditer(earlier))
    like = [(SequenceMatcher(None, word[0].casefold(), new.casefold()).ratio(), word) for word in words[:80]]
    ratio, best = max(like, key=lambda one: one[0], default=(0.0, None))
    if best is None or not _MIN_RATIO <= ratio < 1:
        return ""
    return earlier[: best.start()] + new + earlier[best.end() :]


def _replace_name(earlier: str, new: str) -> str:
    """Replace the last name; without any name and for a lower-case word, the last word."""
    names = [name for name in _NAME.finditer(earlier) if terms(name[0])]
    words = [word for word in _WORD.finditer(earlier) if terms(word[0])]
    last = names[-1] if names else words[-1] if len(words) > 1 and new.islower() else None
    return "" if last is None else earlier[: last.start()] + new + earlier[last.end() :]


def _same_question(earlier: str, rest: str) -> bool:
    earlier_terms = set(terms(earlier))
    return bool(earlier_terms) and len(earlier_terms & set(terms(rest))) >= _MIN_SHARED * len(earlier_terms)
