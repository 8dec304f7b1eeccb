"""Tantivy queries for search terms, visibility and expiry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import tantivy

from schemas.messages import Assurance
from schemas.ports import AssuranceLookup


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """One word of a question: index terms that may stand for it, each with a factor, and the word's weight at one
    occurrence. ``surface`` is the word as written, ``count`` its occurrences: a long text repeats what it is about."""

    text: str
    options: tuple[tuple[str, float], ...]
    weight: float
    surface: str = ""
    count: int = 1

    @property
    def total_weight(self) -> float:
        """The weight of all its occurrences."""
        return self.weight * self.count


@dataclass(frozen=True, slots=True)
class VisibilityFilter:
    """The documents that one search may show: those still valid in the second ``valid_at``, public ones or, for
    ``verified`` contacts, also those for verified contacts. Internal documents are never shown."""

    valid_at: int
    verified: bool = False

    def allows(self, visibility: str, until: int) -> bool:
        return until >= self.valid_at and visibility in self.visibilities

    @property
    def visibilities(self) -> tuple[str, ...]:
        return ("public", "verified") if self.verified else ("public",)


def visibility_filter(now: datetime, assurance: Assurance = "anonymous") -> VisibilityFilter:
    # A document that expires in the second of ``now`` is no longer shown.
    return VisibilityFilter(int(now.timestamp()) + 1, assurance == "verified")


async def resolve_assurance(assurance: Assurance | AssuranceLookup) -> Assurance:
    return assurance if isinstance(assurance, str) else await assurance()


def terms_query(schema: Any, terms: Sequence[QueryTerm], fields: Sequence[str]) -> Any:
    """Matches any of the words, each by the best of its alternatives."""
    make, should = tantivy.Query, tantivy.Occur.Should
    words = []
    for term in terms:
        options = [
            make.boost_query(
                make.boolean_query([(should, make.term_query(schema, name, text)) for name in fields]),
                factor * term.total_weight,
            )
            for text, factor in term.options
        ]
        if options:
            words.append((should, make.disjunction_max_query(options)))
    return make.boolean_query(words) if words else make.empty_query()


def restrict_query(
    schema: Any, query: Any, visibility: VisibilityFilter | None, name: str = "", one_of: Sequence[str] = ()
) -> Any:
    """``query`` limited to entries that are visible and whose field ``name`` has one of the given values."""
    make, occur = tantivy.Query, tantivy.Occur
    limits = [any_value_query(schema, name, one_of)] if one_of else []
    if visibility is not None:
        limits.append(any_value_query(schema, "visibility", visibility.visibilities))
        limits.append(make.range_query(schema, "expires", tantivy.FieldType.Unsigned, lower_bound=visibility.valid_at))
    must = [(occur.Must, make.const_score_query(limit, 0.0)) for limit in limits]
    return make.boolean_query([*must, (occur.Must, query)]) if must else query


def any_value_query(schema: Any, name: str, values: Sequence[str]) -> Any:
    """Entries whose field has one of a few values. Each value is looked up separately, because a set query scans all
    terms of the field."""
    make, should = tantivy.Query, tantivy.Occur.Should
    return make.boolean_query([(should, make.term_query(schema, name, value)) for value in values])
