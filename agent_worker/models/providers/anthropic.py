"""Anthropic's messages API. Its library is large (seconds, dozens of megabytes) and only imported when used."""

from __future__ import annotations

from schemas.errors import MissingDependency
from schemas.runtime.optional_dependencies import install_command

try:
    import anthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    from agent_worker.models.providers.conversion import CONNECT, LIMITS, PydanticProvider
except ImportError as error:
    raise MissingDependency(
        f"a model with `provider: anthropic` needs {error.name or 'pydantic-ai'}, which is not installed",
        fix=install_command("anthropic"),
    ) from error

CACHED = {"anthropic_cache_instructions": True, "anthropic_cache_tool_definitions": True}
"""This provider caches only the marked parts of a prompt."""


def anthropic_provider(*, model: str, base_url: str, api_key: str, timeout: float) -> PydanticProvider:
    """``base_url`` empty: Anthropic's own. ``timeout``: seconds for a whole request."""
    client = anthropic.AsyncAnthropic(
        base_url=base_url or "https://api.anthropic.com",
        api_key=api_key or "none",
        max_retries=0,
        timeout=anthropic.Timeout(timeout, connect=min(CONNECT, timeout)),
        http_client=anthropic.DefaultAsyncHttpxClient(limits=LIMITS),
    )
    chat = AnthropicModel(model, provider=AnthropicProvider(anthropic_client=client))
    return PydanticProvider(chat, CACHED, client.close, (anthropic.AnthropicError,))
