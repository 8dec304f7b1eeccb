"""Parsed modules are shared by these tests and stay in the process until its end."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def frozen_trees() -> Iterator[None]:
    """Let no later garbage collection look through millions of nodes of parsed modules."""
    yield
    gc.collect()
    gc.freeze()
