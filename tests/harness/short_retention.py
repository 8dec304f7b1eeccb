"""Shortens the retention of topics and state, and the floors below which it never goes, from days to seconds, for a
process's whole life. So a test of minutes sees what takes a year otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

CLEANED_AT_LEAST = 20
"""Rounds of cleaning within one retention."""


def shorten_retention(seconds: float) -> None:
    """Topics, transcripts, turns, contacts, handled ids, deliveries, actions and the counters of contacts' limits are
    kept for these seconds."""
    from gateway.config.privacy import RetentionSettings
    from gateway.storage import quotas, retention_cleaner
    from gateway.wiring import engines
    from infra.bus.sqlite.bus import SqliteBus
    from infra.state import journal_rules, retention_rules, rules
    from infra.state.redis.client import codec
    from infra.state.redis.coordination import RedisLimiter
    from schemas.ports import RetentionPeriods
    from schemas.privacy import key_service

    kept = timedelta(seconds=seconds)
    every = max(1.0, seconds / CLEANED_AT_LEAST)
    for module, names in (
        (rules, ("HANDLED_HORIZON", "DELIVERY_HORIZON")),
        (journal_rules, ("HORIZON",)),
        (retention_rules, ("NUMBERS_KEPT",)),
        (retention_cleaner, ("LETTERS_KEPT",)),
        (key_service, ("KEPT_AT_LEAST",)),
    ):
        vars(module).update(dict.fromkeys(names, kept))
    vars(codec)["KEEP"] = int(seconds) + 1
    vars(retention_cleaner)["SHORTEST_PERIOD"] = every
    periods = RetentionPeriods(transcripts=kept, turns=kept, contacts=kept)
    setattr(RetentionSettings, "periods", property(lambda _settings: periods))  # noqa: B010 (a property of a model)
    describe = vars(engines)["topic_specs"]

    def describe_briefly(*arguments: Any, **options: Any) -> list[Any]:
        specs = describe(*arguments, **options)
        return [spec if spec.compacted else replace(spec, retention_ms=int(seconds * 1000)) for spec in specs]

    vars(engines)["topic_specs"] = describe_briefly
    take = RedisLimiter.take

    async def take_briefly(self: RedisLimiter, key: str, *, keep: float = 0.0, **options: Any) -> float:
        return await take(self, key, keep=min(keep, seconds), **options)

    setattr(RedisLimiter, "take", take_briefly)  # noqa: B010 (a method of a class)
    vars(quotas)["DAILY_COUNT_TTL"] = seconds
    defaults = SqliteBus.__init__.__kwdefaults__
    assert defaults is not None
    defaults.update(clean_every=every, tombstone_grace=every)
