"""OpenAI-compatible endpoints: hosted ones, vLLM with adapters by name, local servers. Only imported when used."""

from __future__ import annotations

from schemas.errors import MissingDependency
from schemas.runtime.optional_dependencies import install_command

try:
    import openai
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    from agent_worker.models.providers.conversion import CONNECT, LIMITS, PydanticProvider
except ImportError as error:
    raise MissingDependency(
        f"a model with `provider: openai` needs {error.name or 'pydantic-ai'}, which is not installed",
        fix=install_command("models"),
    ) from error


def openai_provider(*, model: str, base_url: str, api_key: str, timeout: float) -> PydanticProvider:
    """``timeout``: seconds for a whole request."""
    client = openai.AsyncOpenAI(
        base_url=base_url,
        # The client refuses an empty key; a local server without keys ignores it.
        api_key=api_key or "none",
        max_retries=0,
        timeout=openai.Timeout(timeout, connect=min(CONNECT, timeout)),
        http_client=openai.DefaultAsyncHttpxClient(limits=LIMITS),
    )
    chat = OpenAIChatModel(model, provider=OpenAIProvider(openai_client=client))
    return PydanticProvider(chat, {}, client.close, (openai.OpenAIError,))
