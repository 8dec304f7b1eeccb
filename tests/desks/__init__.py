"""Desks that only the tests have: what any desk does is proved to ask nothing of Slack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import create_model

from connectors import registry
from gateway.config import field_types, settings

WEBHOOK = "webhook"


def install() -> None:
    """Let this process know the channel ``webhook``, as if it stood in the registry."""
    registry.CHANNELS[WEBHOOK] = "tests.desks.webhook"
    field: Any = (dict[field_types.Slug, registry.load_settings_model(WEBHOOK)], {})  # type: ignore[misc]
    _use(create_model("Channels", __base__=settings.Channels, **{WEBHOOK: field}))


@contextmanager
def installed() -> Iterator[None]:
    """The same for a while, in a process that has other tests."""
    install()
    try:
        yield
    finally:
        del registry.CHANNELS[WEBHOOK]
        _use(settings.Channels)


def _use(channels: type[settings.Channels]) -> None:
    """The models of the settings were built from the registry when they were imported: build them once more."""
    settings.Tenant.model_fields["channels"].annotation = channels
    settings.Tenant.model_fields["channels"].default = channels()
    for model in (settings.Tenant, settings.Config):
        model.model_rebuild(force=True)
