"""Threads share the interpreter."""

from __future__ import annotations

import sys

import pytest

from infra import process_tuning


def test_a_thread_that_computes_is_asked_to_pause_soon() -> None:
    before = sys.getswitchinterval()
    try:
        process_tuning.shorten_switch_interval()
        assert sys.getswitchinterval() == pytest.approx(process_tuning.PAUSE_AFTER_S)
    finally:
        sys.setswitchinterval(before)
