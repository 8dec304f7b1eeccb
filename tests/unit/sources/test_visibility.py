"""A source that the configuration calls internal stays so, whatever the vendor says."""

from __future__ import annotations

import pytest

from schemas.conversation import Visibility
from schemas.ports import SyncRequest
from tests.unit.sources.source_reader import convert


@pytest.mark.parametrize(
    ("configured", "stated", "result"),
    [
        ("public", "public", "public"),
        ("public", "verified", "verified"),
        ("verified", "public", "verified"),
        ("verified", "internal", "internal"),
        ("internal", "verified", "internal"),
        ("internal", "public", "internal"),
    ],
)
def test_the_stricter_visibility_wins(configured: Visibility, stated: Visibility, result: Visibility) -> None:
    assert SyncRequest("x://", {}, convert, {}, (), configured).restrict(stated) == result
