"""The Kafka client as an optional, talkative dependency. Needs no broker."""

from __future__ import annotations

import importlib
import logging
import sys

import pytest

from infra.bus.kafka.bus import LogThrottle
from schemas.errors import MissingDependency


def test_without_the_client_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "infra.bus.kafka", raising=False)
    monkeypatch.setitem(sys.modules, "aiokafka", None)
    with pytest.raises(MissingDependency) as caught:
        importlib.import_module("infra.bus.kafka")
    assert "aiokafka" in caught.value.fix


def test_the_log_limit_counts_what_it_leaves_out_and_hides_contents() -> None:
    now = 0.0
    limit = LogThrottle(window=10.0, clock=lambda: now)

    def line(level: int, text: str, *args: object) -> logging.LogRecord:
        return logging.LogRecord("aiokafka.conn", level, "", 0, text, args, None)

    assert limit.filter(line(logging.ERROR, "no node %s", 1))
    assert not limit.filter(line(logging.ERROR, "no node %s", 2))
    assert not limit.filter(line(logging.ERROR, "no node %s", 1))
    assert limit.filter(line(logging.ERROR, "something else"))
    assert not limit.filter(line(logging.DEBUG, "Sending (key=%s value=%s)", b"k", b"secret"))
    now = 11.0
    later = line(logging.ERROR, "no node %s", 3)
    assert limit.filter(later)
    assert later.getMessage() == "no node 3 [2 like it left out]"
