"""Shortens timeouts of minutes or days to moments, for a process's whole life."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Any

from connectors.desk.port import DeskRates, Rate

ASKED_IN_MINUTES = 60
"""By how much a vendor's own "come back later" is shortened: Graph tells it in whole minutes."""
REVOKED_WAIT = timedelta(seconds=1)
LESS = 5.0
"""One try, and what a vendor gets to settle, are shortened by no more: a simulated vendor on a busy machine still has
to answer, and to report, in time."""
LEAST = 2.0
"""The same for the shortest of these times."""


def shorten_timeouts(factor: float) -> None:
    """Senders are so many times less patient: an intent's deadline, one try, the waits for what is in doubt."""
    from connectors.instagram import connection
    from connectors.outbound import receipts, reconciliation, sender

    less = min(factor, LESS)
    for module, by, names in (
        (sender, factor, ("MAX_WAIT", "RETRY_SECONDS", "MIN_SECONDS_LEFT", "UPLOAD_SECONDS")),
        (reconciliation, factor, ("LOOKUP_TIMEOUT", "RETRY_LOOKUP", "RETRY_REPORT", "MAX_PAUSE")),
        (reconciliation, less, ("REPORT_TIMEOUT",)),
        (reconciliation, min(factor, LEAST), ("DENIAL_SETTLE_SECONDS",)),
    ):
        for name in names:
            setattr(module, name, getattr(module, name) / by)
    for name in ("RETRY_UNKNOWN", "RETRY_LINE"):
        vars(receipts)[name] /= factor
    vars(connection)["LOOKUP_INTERVAL"] /= factor  # several look-ups have to fit into one try
    vars(sender)["REVOKED_PAUSE"] = vars(reconciliation)["REVOKED_PAUSE"] = REVOKED_WAIT
    policies, pause = vars(sender)["get_policy_lookup"], sender.get_pause

    def hurried(channel: Any) -> Callable[[Any], Any]:
        of = policies(channel)

        def policy(account: Any) -> Any:
            usual = of(account)
            times = ("attempt", "deadline", "settle_time", "slow_settle_time")
            return replace(usual, **{name: getattr(usual, name) / less for name in times})

        return policy

    def shorter(retry_after_ms: int | None, tries: int, ends: float) -> float:
        return pause((retry_after_ms or 0) // ASKED_IN_MINUTES, tries, ends)

    vars(sender).update(get_policy_lookup=hurried, get_pause=shorter)
    vars(reconciliation).update(get_policy_lookup=hurried)


def speed_up_desk(factor: float) -> None:
    """The desk is kept so many times faster, in the same ratios: the simulated Slack's limits have to allow it."""
    from connectors.slack.desk.desk import SlackDesk

    SlackDesk.rates = speed_up_rates(SlackDesk.rates, factor)


def speed_up_rates(rates: DeskRates, factor: float) -> DeskRates:
    """The same ratios in a shorter time."""

    def rate(one: Rate) -> Rate:
        return Rate(one.per_second * factor, one.burst)

    return DeskRates(
        gather_seconds=rates.gather_seconds / factor,
        posts=rate(rates.posts),
        updates=rate(rates.updates),
        marks=rate(rates.marks),
        card_every=rates.card_every / factor,
        retry=rates.retry / factor,
    )


def speed_up_erasure(factor: float) -> None:
    """Erasures are looked for so many times more often, and every process forgets keys so many times sooner."""
    from gateway.backup import erasures
    from gateway.contacts import erasure
    from schemas.privacy import key_service

    erasure.SWEEP_EVERY /= factor
    key_service.RETIRED_FOR /= factor
    for module in (key_service, erasure, erasures):
        vars(module)["CACHE_LIFETIME"] /= factor


def speed_up_sources(factor: float) -> None:
    """The lease on a source of documents ends so many times sooner, and is renewed so many times more often."""
    from gateway.documents import source_lease

    for name in ("TTL_S", "RENEW_S", "_MARGIN_S"):
        vars(source_lease)[name] /= factor


def set_clock_ahead(seconds: float) -> None:
    """The process's clock is so much ahead of the machine's."""
    from gateway.wiring import compose, engines

    class ShiftedDatetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=seconds)

    vars(compose)["datetime"] = vars(engines)["datetime"] = ShiftedDatetime
