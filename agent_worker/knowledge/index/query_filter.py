"""What is looked for, as tantivy takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import tantivy

from schemas.messages import Assurance
from schemas.ports import Asker


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a question: what may stand for it in the index, each with a factor, and how much the word weighs.
    ``surface`` is the word as it was written."""

    text: str
    options: tuple[tuple[str, float], ...]
    weight: float
    surface: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one search may show: documents that are still shown in the second ``after``, and of these only the public
    ones, unless whoever asks is ``verified``. What is internal is never in sight."""

    after: int
    verified: bool = False

    def covers(self, visibility: str, until: int) -> bool:
        return until >= self.after and visibility in self.visibilities

    @property
    def visibilities(self) -> tuple[str, ...]:
        return ("public", "verified") if self.verified else ("public",)


def sight(now: datetime, assurance: Assurance = "anonymous") -> Sight:
    # What expires in the second of ``now`` is not shown any more.
    return Sight(int(now.timestamp()) + 1, assurance == "verified")


async def looked_up(assurance: Assurance | Asker) -> Assurance:
    return assurance if isinstance(assurance, str) else await assurance()


def wanted(schema: Any, asked: Sequence[Term], fields: Sequence[str]) -> Any:
    """Any of the words, each by the best of what may stand for it."""
    make, should = tantivy.Query, tantivy.Occur.Should
    words = []
    for term in asked:
        options = [
            make.boost_query(
                make.boolean_query([(should, make.term_query(schema, name, text)) for name in fields]),
                factor * term.weight,
            )
            for text, factor in term.options
        ]
        if options:
            words.append((should, make.disjunction_max_query(options)))
    return make.boolean_query(words) if words else make.empty_query()


def limited(schema: Any, query: Any, seen: Sight | None, name: str = "", one_of: Sequence[str] = ()) -> Any:
    """``query``, where the field ``name`` is one of what is given, and of entries in sight only."""
    make, occur = tantivy.Query, tantivy.Occur
    limits = [one_of_them(schema, name, one_of)] if one_of else []
    if seen is not None:
        limits.append(one_of_them(schema, "visibility", seen.visibilities))
        limits.append(make.range_query(schema, "expires", tantivy.FieldType.Unsigned, lower_bound=seen.after))
    must = [(occur.Must, make.const_score_query(limit, 0.0)) for limit in limits]
    return make.boolean_query([*must, (occur.Must, query)]) if must else query


def one_of_them(schema: Any, name: str, values: Sequence[str]) -> Any:
    """Entries whose field is one of a few values. Each is looked up by itself: a query for a set goes through all terms
    of the field."""
    make, should = tantivy.Query, tantivy.Occur.Should
    return make.boolean_query([(should, make.term_query(schema, name, value)) for value in values])
