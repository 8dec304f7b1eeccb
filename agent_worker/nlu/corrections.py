"""Corrections among messages that wait together: "no wait, to Norway, not Austria" changes the question before it.

A correction is recognized by how it begins, or by naming both sides, and is applied only where it is clear which words
of an earlier sentence it replaces. Otherwise it stays what it is, one more line of the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from agent_worker.knowledge.text.analysis import term, terms
from agent_worker.knowledge.text.query_splitting import asks, sentences_of


@dataclass(frozen=True, slots=True)
class Row:
    """How corrections are written in one language, phrases separated by "|". ``strong``: says that something was meant
    otherwise. ``weak``: may also begin anything else. ``instead``, ``versus`` and ``but`` stand between the two
    sides: "Norway instead of Austria", "Norway, not Austria", "not Austria but Norway". ``small``: words that lead to
    what is asked about, such as "to", where they are not among the stop words."""

    strong: str
    weak: str
    instead: str
    versus: str
    but: str
    small: str = ""


ROWS: dict[str, Row] = {
    "en": Row(
        strong="no wait|wait no|no sorry|sorry no|sorry i mean|sorry i meant|i mean|i meant|i meant to say|correction"
        "|scratch that|my mistake|my bad|make that|typo|oops i mean|oops i meant|rather",
        weak="no|sorry|oops|actually|wait|or rather|i said",
        instead="instead of|rather than",
        versus="not",
        but="but",
    ),
    "de": Row(
        strong="nein warte|nein moment|warte nein|ich meine|ich meinte|sorry ich meine|sorry ich meinte|korrektur"
        "|besser gesagt|quatsch|ach nein|nein doch|verschrieben|entschuldigung ich meine|entschuldigung ich meinte",
        weak="nein|sorry|entschuldigung|moment|warte|doch",
        instead="statt|anstatt|anstelle von",
        versus="nicht",
        but="sondern",
        small="nach|in|zu|zum|zur|für|mit|ohne|von|vom|bei|ab|bis|um|am|im|auf|aus|an|der|die|das|den|dem|ein|eine|einen",
    ),
    "fr": Row(
        strong="non attendez|non attends|je veux dire|je voulais dire|pardon je voulais dire|désolé je voulais dire"
        "|correction|plutôt|ou plutôt|enfin non|désolée je voulais dire",
        weak="non|pardon|désolé|désolée|oups|attendez|attends|en fait",
        instead="au lieu de|plutôt que",
        versus="pas|et pas|et non",
        but="mais",
        small="à|au|aux|en|de|du|des|pour|avec|sans|sur|vers|le|la|les|un|une|d|l|chez|dans",
    ),
    "es": Row(
        strong="no espera|no espere|quise decir|quiero decir|quería decir|perdón quise decir|perdona quise decir"
        "|mejor dicho|más bien|corrección|perdón quería decir",
        weak="no|perdón|perdona|perdone|espera|en realidad|ups",
        instead="en vez de|en lugar de",
        versus="no|y no",
        but="sino",
        small="a|al|en|de|del|para|por|con|sin|sobre|hacia|el|la|los|las|un|una|desde|hasta",
    ),
}
_LONGEST = 400
"""Characters of a sentence that may be a correction."""
_WORDS = 8
"""Of what takes another's place, at most."""
_ALIKE = 0.6
"""From this likeness on, a word is another one spelled right."""
_SHARED = 0.5
"""Share of an earlier question's words that a new wording of it must have."""


def _one_of(phrases: Iterator[str]) -> str:
    """The longest first; between their words any space and comma may stand."""
    found = sorted({phrase for listed in phrases for phrase in listed.split("|")}, key=len, reverse=True)
    return "|".join(r"[\s,]{1,3}".join(map(re.escape, phrase.split())) for phrase in found)


_STRONG = _one_of(row.strong for row in ROWS.values())
_WEAK = _one_of(row.weak for row in ROWS.values())
_INSTEAD = _one_of(row.instead for row in ROWS.values())
_VERSUS = _one_of(row.versus for row in ROWS.values())
_BUT = _one_of(row.but for row in ROWS.values())
_BUT_ENDS = re.compile(rf"\s(?:{_BUT})$", re.IGNORECASE)
_END = r"(?=[\s,:;.!…–—-]|$)"
_OPENER = re.compile(
    rf"[\s,.…–—-]{{0,5}}(?:(?P<strong>{_STRONG})|(?P<weak>{_WEAK})|(?P<star>\*)){_END}?", re.IGNORECASE
)
_BEGINS = frozenset(phrase.split()[0] for row in ROWS.values() for phrase in f"{row.strong}|{row.weak}".split("|"))
"""The first words of all that announces a correction."""
_NEAR = 12
"""Earlier sentences that a correction may be about."""
_WITHIN = re.compile(rf"[,;…–—-]\s{{0,3}}\b(?={_STRONG})", re.IGNORECASE)
_NOT_BUT = re.compile(rf"^(?:{_VERSUS})\s(?P<old>.{{1,80}}?),?\s(?:{_BUT})\s(?P<new>.{{1,80}})$", re.IGNORECASE)
_NEW_NOT = re.compile(rf"^(?P<new>.{{1,80}}?),?\s(?:{_INSTEAD}|{_VERSUS})\s(?P<old>.{{1,80}})$", re.IGNORECASE)
_MARKS = " \t,.;:!?…–—-*\"'“”„»«()"
_FIGURE = re.compile(r"\d[\d.,]*")
_NAME = re.compile(r"(?<=\s)[A-ZÀ-Þ][\w'’-]*(?:\s[A-ZÀ-Þ][\w'’-]*)*")
_UNIT = re.compile(r"\s?([^\W\d_]{1,20}|[€$£%])")
_SMALL = frozenset(word for row in ROWS.values() for word in row.small.split("|") if word)
_WORD = re.compile(r"[^\W_][\w'’-]*")


def corrected(messages: Sequence[str]) -> list[str]:
    """The messages as they were meant, those that only correct left out."""
    if len(messages) == 1 and "*" not in messages[0] and _BEGINS.isdisjoint(_WORD.findall(messages[0].casefold())):
        return list(messages)
    lines = [[piece for sentence in sentences_of(text) for piece in _pieces(sentence)] for text in messages]
    before: list[tuple[int, int]] = []
    opening: tuple[int, int] | None = None
    changed = False
    for n, line in enumerate(lines):
        for m, sentence in enumerate(line):
            if _is_opening(sentence):
                opening = (n, m)
                continue
            if before and _applied(lines, before, sentence, opened=opening is not None):
                line[m], changed = "", True
                if opening is not None:
                    lines[opening[0]][opening[1]] = ""
            else:
                before.append((n, m))
            opening = None
    if not changed:
        return list(messages)
    return [text for line in lines if (text := " ".join(piece for piece in line if piece))]


def _pieces(sentence: str) -> list[str]:
    """A sentence may take back its own beginning: "to Austria, I mean Norway"."""
    found = _WITHIN.search(sentence[:_LONGEST])
    if found is None or not found.start() or _is_opening(sentence[: found.start()]):
        return [sentence]
    return [sentence[: found.start()], sentence[found.end() :]]


def _is_opening(sentence: str) -> bool:
    """Whether it only announces a correction: "no wait …"."""
    return len(sentence) <= _LONGEST and _opened(sentence)[0] != "" and not _opened(sentence)[1]


def _opened(sentence: str) -> tuple[Literal["", "weak", "strong"], str]:
    """How a sentence announces a correction, and what it says then."""
    force: Literal["", "weak", "strong"] = ""
    rest = sentence
    while (found := _OPENER.match(rest)) and found.end() and _ends_word(rest, found.end()):
        force = "strong" if force == "strong" or found["strong"] or found["star"] else "weak"
        rest = rest[found.end() :]
    return force, rest.strip(_MARKS)


def _ends_word(text: str, at: int) -> bool:
    return at >= len(text) or text[at - 1] == "*" or not text[at].isalnum()


def _applied(lines: list[list[str]], before: Sequence[tuple[int, int]], sentence: str, *, opened: bool) -> bool:
    """Change the latest earlier sentence that it corrects; False when it corrects none."""
    if len(sentence) > _LONGEST:
        return False
    force, rest = _opened(sentence)
    if opened:
        force = force or "weak"
    for n, m in reversed(before[-_NEAR:]) if rest else ():
        meant = _replaced(lines[n][m], rest, force)
        if meant and meant != lines[n][m]:
            lines[n][m] = meant
            return True
    return False


def _replaced(earlier: str, rest: str, force: Literal["", "weak", "strong"]) -> str:
    """The earlier sentence with the words that ``rest`` corrects; empty when it corrects none of them."""
    both = None if asks(rest) else _NOT_BUT.match(rest) or _NEW_NOT.match(rest)
    if both is not None and len(rest.split()) <= 2 * _WORDS and not _BUT_ENDS.search(both["new"]):
        return _swapped(earlier, both["old"].strip(_MARKS), both["new"].strip(_MARKS))
    if not force:
        return ""
    if asks(rest) and len(rest.split()) >= 3:
        return f"{rest}?" if force == "strong" and _same_question(earlier, rest) else ""
    if len(rest.split()) > _WORDS or not terms(rest):
        return ""
    found = _in_place(earlier, rest)
    if not found and force == "strong":
        found = _respelled(earlier, rest)
    may_name = len(rest.split()) <= 3 and (force == "strong" or all(word[:1].isupper() for word in rest.split()))
    return found or (_named(earlier, rest) if may_name else "")


def _swapped(earlier: str, old: str, new: str) -> str:
    """``new`` in the place of ``old``, each perhaps with a small word before it: "to Norway" for "Austria"."""
    for lead in (new.partition(" ")[0], ""):
        if lead and not _is_small(lead):
            continue
        sought = f"{lead} {old}".strip() if not _begins(old, lead) else old
        found = re.search(rf"(?<!\w){re.escape(sought)}(?!\w)", earlier, re.IGNORECASE)
        if found:
            put = new if lead or not _small(new) else new.partition(" ")[2]
            return earlier[: found.start()] + put + earlier[found.end() :]
    small, bare = old.partition(" ")[0], old.partition(" ")[2]
    return _swapped(earlier, bare, new) if bare and _is_small(small) else ""


def _begins(text: str, word: str) -> bool:
    return bool(word) and text.casefold().startswith(f"{word.casefold()} ")


def _small(text: str) -> bool:
    """Whether it begins with a word that says nothing by itself, such as "to"."""
    first, _, more = text.partition(" ")
    return bool(more) and _is_small(first)


def _is_small(word: str) -> bool:
    return word.casefold() in _SMALL or not term(word)


def _in_place(earlier: str, new: str) -> str:
    """By the same small word before it ("to Norway" for "to Austria"), the same last word ("two pots" for "three
    pots"), or the same unit."""
    if _small(new):
        lead = re.escape(new.partition(" ")[0])
        after = rf"(?<!\w)(?i:{lead})\s(?:\w{{1,4}}\s)??[^\W_][\w'’-]*(?:\s[A-ZÀ-Þ][\w'’-]*)*"
        fit = [one for one in re.finditer(after, earlier) if set(terms(one[0])) - set(terms(lead))]
        if fit:
            return earlier[: fit[-1].start()] + new + earlier[fit[-1].end() :]
    words, said = list(_WORD.finditer(earlier)), _WORD.findall(new)
    for end in range(len(words) - 1, len(said) - 2, -1):
        if len(said) > 1 and words[end][0].casefold() == said[-1].casefold():
            return earlier[: words[end - len(said) + 1].start()] + new + earlier[words[end].end() :]
    return _other_figure(earlier, new)


def _other_figure(earlier: str, new: str) -> str:
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


def _respelled(earlier: str, new: str) -> str:
    """A word that was mistyped: the one that is most like it."""
    if len(new.split()) != 1:
        return ""
    words = list(_WORD.finditer(earlier))
    like = [(SequenceMatcher(None, word[0].casefold(), new.casefold()).ratio(), word) for word in words[:80]]
    ratio, best = max(like, key=lambda one: one[0], default=(0.0, None))
    if best is None or not _ALIKE <= ratio < 1:
        return ""
    return earlier[: best.start()] + new + earlier[best.end() :]


def _named(earlier: str, new: str) -> str:
    """A name for the last name; a word without a capital for the last word where there is no name."""
    names = [name for name in _NAME.finditer(earlier) if terms(name[0])]
    words = [word for word in _WORD.finditer(earlier) if terms(word[0])]
    last = names[-1] if names else words[-1] if len(words) > 1 and new.islower() else None
    return "" if last is None else earlier[: last.start()] + new + earlier[last.end() :]


def _same_question(earlier: str, rest: str) -> bool:
    asked = set(terms(earlier))
    return bool(asked) and len(asked & set(terms(rest))) >= _SHARED * len(asked)
