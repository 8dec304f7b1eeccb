"""The models that `parley dev` offers for tenants that name none.

This is data that ages: names, context sizes and prices are those of November 2026, from the vendors' own pages. There
is one model of each vendor, fast and cheap enough for every message; `examples/models.yaml` has stronger ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config.models import ModelEntry, ModelPrices


@dataclass(frozen=True, slots=True)
class VendorModel:
    """The model of a vendor whose key is in one of the environment ``variables``. ``address_variable``: where the
    vendor's own library looks for another endpoint, to which the key then belongs."""

    name: str
    title: str
    variables: tuple[str, ...]
    address_variable: str
    host: str
    entry: ModelEntry


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A program that serves models on this machine with OpenAI's chat completions, at its usual port."""

    name: str
    title: str
    port: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


VENDOR_MODELS = (
    VendorModel(
        "openai",
        "OpenAI",
        ("OPENAI_API_KEY",),
        "OPENAI_BASE_URL",
        "api.openai.com",
        ModelEntry(
            provider="openai",
            model="gpt-5.4-mini",
            base_url="https://api.openai.com/v1",
            context=100_000,
            max_output=4_000,
            prices=ModelPrices(input=0.75, output=4.5, cached_input=0.075),
            abilities=["actions", "vision"],
        ),
    ),
    VendorModel(
        "anthropic",
        "Anthropic",
        ("ANTHROPIC_API_KEY",),
        "ANTHROPIC_BASE_URL",
        "api.anthropic.com",
        ModelEntry(
            provider="anthropic",
            model="claude-haiku-5-5",
            context=100_000,  # longer prompts cost five times as much
            max_output=4_000,
            prices=ModelPrices(input=0.1, output=0.5),
            abilities=["actions", "vision"],
        ),
    ),
    VendorModel(
        "google",
        "Google",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        "GOOGLE_GEMINI_BASE_URL",
        "generativelanguage.googleapis.com",
        ModelEntry(
            provider="google",
            model="gemini-3.8-flash",
            context=100_000,
            max_output=4_000,
            prices=ModelPrices(input=0.75, output=3.75, cached_input=0.075),
            abilities=["actions", "vision"],
        ),
    ),
)
LOCAL_SERVERS = (
    LocalServer("ollama", "Ollama", 11434),
    LocalServer("lmstudio", "LM Studio", 1234),
    LocalServer("vllm", "vLLM", 8000),
    LocalServer("llamacpp", "llama.cpp", 8080),
)
LOCAL_ENTRY = ModelEntry(
    provider="openai",
    model="-",
    base_url="http://127.0.0.1/v1",
    context=8_000,
    max_output=2_000,
    timeout=90,
    first_token=60,
    abilities=["actions"],
)
"""Settings for a server on this machine: little context, and time to load its model with the first question. The model
and its address are filled in."""


def check_dev_model(text: str) -> str:
    """Check the setting ``dev_model``."""
    providers = [each.name for each in (*VENDOR_MODELS, *LOCAL_SERVERS)]
    provider, _, model = text.partition(":")
    if text not in ("", "local") and not (provider in providers and (model.strip() or text == provider)):
        raise ValueError(f"must be local, PROVIDER or PROVIDER:MODEL, with a provider of: {', '.join(providers)}")
    return text
