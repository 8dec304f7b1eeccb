"""The browser tests find or install their Chromium."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from infra.deploy import servers
from infra.deploy.process import ServerError


def test_a_browser_that_is_named_is_the_one_that_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`CHROMIUM` wins over what is on the PATH."""
    own = tmp_path / "my-chromium"
    own.touch()
    own.chmod(own.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CHROMIUM", str(own))
    assert servers.fetch_browser() == str(own)


def test_a_named_browser_that_is_not_there_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is installed or taken instead of it."""
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(ServerError, match=r"apt-get install -y chromium.*CHROMIUM="):
        servers.fetch_browser()
