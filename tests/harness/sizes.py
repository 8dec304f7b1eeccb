"""Sizes of tests: those of `make test`, and the full ones of `make test-full`."""

from __future__ import annotations

import os

FULL = os.environ.get("TEST_SIZE") == "full"


def size(usual: int, *, full: int) -> int:
    """The number of documents, messages, kills or rounds of a test.

    ``usual`` is the smallest number that shows a defect of the kind that the test is about; ``full`` is the number
    that we promise. The assertions are the same for both."""
    return full if FULL else usual
