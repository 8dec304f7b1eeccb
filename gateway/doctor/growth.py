"""The check of ``parley doctor`` of how far the disk or the memory goes at the present rate."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from gateway.config.settings import Config
from gateway.wiring.engines import required_topics, state_location
from infra.deploy.doctor_finding import Finding
from infra.state.registry import load_engine
from infra.state.usage import StateUsage, UsageReader, estimate_growth
from schemas.errors import StateUnavailable
from schemas.topics import DAY_MS
from schemas.validation.texts import describe_count

SOON_DAYS = 7
_FIX = "shorten `retention.transcripts_days` or the days of the topics, or provide more space"


async def check_growth(config: Config) -> list[Finding]:
    engine = load_engine(config.state)
    if not isinstance(engine, UsageReader):
        return []
    check = "disk growth" if config.embedded else "memory growth"
    try:
        usage = await engine.read_usage(state_location(config), datetime.now(UTC))
    except StateUnavailable as error:
        return [Finding(check, "warn", error.message, "see the other findings about the store")]
    if usage is None:
        return [Finding(check, "ok", "nothing is stored yet")]
    return [describe_growth(check, usage, config)]


def describe_growth(check: str, usage: StateUsage, config: Config) -> Finding:
    """The finding about this usage: a warning if the limit will be reached, a failure if that is soon."""
    longest = max((tenant.retention.transcripts_days for tenant in config.tenants.values()), default=0)
    days = {spec.name: spec.retention_ms // DAY_MS for spec in required_topics(config) if spec.retention_ms}
    growth = estimate_growth(usage, transcripts_days=longest, topic_days=days)
    records = f"{describe_count(growth.records, 'record')}, " if usage.topics else ""
    detail = f"{records}{describe_count(usage.began, 'new conversation')} and {_show(growth.daily)} a day"
    limit = f" of {_show(usage.limit)}" if usage.limit else ""
    if growth.days_left is None:
        return Finding(
            check, "ok", f"{detail}; {_show(usage.used)} used, in the end {_show(growth.finally_used)}{limit}"
        )
    status: Literal["fail", "warn"] = "fail" if growth.days_left < SOON_DAYS else "warn"
    days_left = describe_count(growth.days_left, "day")
    detail += f"; {_show(usage.used)} used, so {_show(usage.limit)} are full in {days_left}"
    return Finding(check, status, f"{detail}, before retention keeps pace with growth", _FIX)


def _show(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
