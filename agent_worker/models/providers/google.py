"""Google's generateContent (the Gemini API). Its library takes seconds to import and is only imported when used."""

from __future__ import annotations

from schemas.errors import MissingDependency
from schemas.runtime.optional_dependencies import install_command

try:
    import httpx2
    from google.genai import errors, types
    from google.genai.client import Client
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    from agent_worker.models.providers.conversion import CONNECT, LIMITS, PydanticProvider
except ImportError as error:
    raise MissingDependency(
        f"a model with `provider: google` needs {error.name or 'pydantic-ai'}, which is not installed",
        fix=install_command("google"),
    ) from error


def google_provider(*, model: str, base_url: str, api_key: str, timeout: float) -> PydanticProvider:
    """``base_url`` empty: Google's own. ``timeout``: seconds for a whole request."""
    http = httpx2.AsyncClient(limits=LIMITS, timeout=httpx2.Timeout(timeout, connect=min(CONNECT, timeout)))
    client = Client(
        vertexai=False,
        api_key=api_key or "none",
        http_options=types.HttpOptions(
            base_url=base_url or None,
            httpx_async_client=http,
            timeout=int(timeout * 1000),
            retry_options=types.HttpRetryOptions(attempts=1),
        ),
    )
    chat = GoogleModel(model, provider=GoogleProvider(client=client))
    return PydanticProvider(chat, {}, http.aclose, (errors.APIError,))
