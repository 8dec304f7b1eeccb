"""The command that installs an extra."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from schemas.runtime import optional_dependencies
from schemas.runtime.optional_dependencies import install_command


def test_the_command_names_libraries_that_an_index_has() -> None:
    command = install_command("slack")
    assert "pip install 'slack-bolt" in command
    assert optional_dependencies.DISTRIBUTION not in command


def test_an_extra_that_is_made_of_others_names_the_libraries_of_all() -> None:
    command = install_command("scaled")
    assert "aiokafka" in command
    assert "redis>=" in command


def test_a_folder_that_was_never_installed_is_installed_as_a_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(_name: str) -> list[str]:
        raise PackageNotFoundError

    monkeypatch.setattr(optional_dependencies, "requires", requires)
    assert install_command("slack").endswith("--editable '.[slack]'")
