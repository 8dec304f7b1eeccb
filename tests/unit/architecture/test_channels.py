"""Channels are independent: each knows the parts that all share, and no other channel."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from connectors.registry import CHANNELS
from tests.harness.source_tree import Module, load_modules


def _channel_of(module: str) -> str:
    """The channel whose folder the module is in; empty where it is shared."""
    return next((name for name, package in CHANNELS.items() if f"{module}.".startswith(f"{package}.")), "")


def _crossings(modules: Iterable[Module]) -> set[tuple[str, str]]:
    """Imports of a channel's module from another channel or from a shared module."""
    modules = [module for module in modules if module.path.startswith("connectors/")]
    known = frozenset(module.name for module in modules)
    return {
        (module.name, imported)
        for module in modules
        for imported in module.imports(known)
        if _channel_of(imported) not in ("", _channel_of(module.name))
    }


def _foreign(modules: Iterable[Module]) -> set[tuple[str, str]]:
    """Imports of anything of ours that is neither in `schemas` nor in `connectors`."""
    modules = list(modules)
    known = frozenset(module.name for module in modules)
    return {
        (module.name, imported)
        for module in modules
        if _channel_of(module.name)
        for imported in module.imports(known)
        if imported.partition(".")[0] not in ("schemas", "connectors")
    }


def test_no_module_of_the_connectors_imports_another_channel() -> None:
    assert _crossings(load_modules()) == set()


def test_a_channel_imports_only_schemas_and_shared_connectors() -> None:
    assert _foreign(load_modules()) == set()


@pytest.mark.parametrize("importer", ["connectors/slack/client.py", "connectors/inbound/pipeline.py"])
def test_an_import_of_another_channel_is_found(importer: str) -> None:
    modules = [
        Module(importer, "def send():\n    from connectors.discord import rest\n"),
        Module("connectors/discord/rest.py", "from connectors.discord import channel\n"),
        Module("connectors/discord/channel.py", "import gateway.app\n"),
        Module("gateway/app.py", ""),
    ]
    crossing = importer.removesuffix(".py").replace("/", ".")
    assert _crossings(modules) == {(crossing, "connectors.discord.rest")}
    assert _foreign(modules) == {("connectors.discord.channel", "gateway.app")}
