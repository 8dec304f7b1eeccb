"""The estimate of ``parley doctor``: what the last day's rate leads to, and when that is a problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import loader
from gateway.config.settings import Config
from gateway.doctor.growth import check_growth, describe_growth
from infra.state.usage import StateUsage, TopicRate, estimate_growth

MIB = 1024**2
SHOP = "tenants: {shop: {name: Shop, channels: {web: {main: {}}}, retention: {transcripts_days: 100}}}\n"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "parley.yaml"
    file.write_text(f"secret_key: {'k' * 32}\nadmin_token: {'t' * 32}\n{SHOP}")
    return loader.load(file, environ={})


def build_usage(**changes: object) -> StateUsage:
    fields: dict[str, object] = {
        "used": 200 * MIB,
        "limit": 10_000 * MIB,
        "state": 100 * MIB,
        "conversations": 100,
        "began": 10,
        "topics": {"parley.inbound.web": TopicRate(500, 5 * MIB)},
    }
    return StateUsage(**(fields | changes))  # type: ignore[arg-type]


def test_the_state_grows_until_retention_removes_as_much_as_comes() -> None:
    growth = estimate_growth(build_usage(), transcripts_days=100, topic_days={"parley.inbound.web": 30})
    assert growth.daily == 15 * MIB
    assert growth.records == 500
    assert growth.finally_used == (10 * 100 + 5 * 30) * MIB
    assert growth.days_left is None


def test_a_limit_that_comes_before_that_is_told_in_days() -> None:
    growth = estimate_growth(build_usage(limit=500 * MIB), transcripts_days=100, topic_days={})
    assert growth.days_left == 20
    assert estimate_growth(build_usage(limit=100 * MIB), transcripts_days=100, topic_days={}).days_left == 0


def test_without_conversations_or_a_limit_nothing_fills_up() -> None:
    for usage in (build_usage(conversations=0, began=0, topics={}), build_usage(limit=0)):
        assert estimate_growth(usage, transcripts_days=100, topic_days={}).days_left is None


@pytest.mark.parametrize(("limit", "status"), [(10_000, "ok"), (1_000, "warn"), (250, "fail")])
def test_less_than_a_week_is_a_failure(config: Config, limit: int, status: str) -> None:
    found = describe_growth("disk growth", build_usage(limit=limit * MIB), config)
    assert found.status == status
    assert "500 records, 10 new conversations and 15 MiB a day" in found.detail
    assert bool(found.fix) == (status != "ok")


async def test_before_the_first_start_there_is_nothing_to_estimate(config: Config) -> None:
    (found,) = await check_growth(config)
    assert (found.check, found.status, found.detail) == ("disk growth", "ok", "nothing is stored yet")
