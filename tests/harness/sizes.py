"""Sizes of tests: those of `make test-nightly`, and the full ones of `make test-full`."""

from __future__ import annotations

import os

FULL = os.environ.get("TEST_SIZE") == "full"
DAILY = os.environ.get("TEST_SIZE") == "daily"
"""In `make test`, which takes a sample of the scenarios and kills (``tests.selection.SAMPLES``)."""


def size(usual: int, *, full: int) -> int:
    """The number of documents, messages, kills or rounds of a test.

    ``usual`` is the smallest number that shows a defect of the kind that the test is about; ``full`` is the number
    that we promise. The assertions are the same for both."""
    return full if FULL else usual
