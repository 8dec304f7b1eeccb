"""Dates in languages other than English and German, read by dateparser. Only a message that is nothing but a date is
read: inside sentences the library takes short words for weekdays."""

from __future__ import annotations

from datetime import date, datetime, time
from functools import cache

from agent_worker.actions.parsing.parsed_values import ParseContext
from agent_worker.nlu.language_detection import base_language

_MAX_LENGTH = 60
"""Characters of a message that is read. The longest dates have about forty."""
_OWN_LANGUAGES = frozenset({"", "en", "de"})


def load_date_parser() -> None:
    """Load the library, which takes a second."""
    parse_date("demain", ParseContext(date(2026, 1, 1), "fr"))


def parse_date(text: str, context: ParseContext) -> date | None:
    """The date that the message consists of, in the language of ``context.locale``; None for everything else."""
    language = base_language(context.locale)
    if language in _OWN_LANGUAGES or len(text) > _MAX_LENGTH or language not in _supported_languages():
        return None
    from dateparser import parse

    found = parse(
        text,
        languages=[language],
        settings={
            "RELATIVE_BASE": datetime.combine(context.today, time()),
            "PREFER_DATES_FROM": "future",
            # A number or a month alone is no date.
            "REQUIRE_PARTS": ["day", "month"],
        },
    )
    return found.date() if found else None


@cache
def _supported_languages() -> frozenset[str]:
    from dateparser.data import language_order

    return frozenset(language_order)
