"""Settings of models: the registries of models and of transcribers, prices, budgets, and examples of how to write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.settings import Settings
from gateway.config.field_types import ModelName, WebAddress


class VoiceExample(Settings):
    """An example of a message and the answer that the tenant would give."""

    message: str = Field(min_length=1, max_length=2000)
    """A contact's message."""
    answer: str = Field(min_length=1, max_length=2000)
    """The answer to it, in the style that the model is to imitate."""


class BudgetSettings(Settings):
    """How much a tenant's models may spend in one turn, and in a day (UTC). Costs are in US dollars. When a budget is
    used up, the `local` model answers."""

    turn_tokens: int = Field(default=400_000, ge=1_000)
    """Tokens of one turn, over all its requests: prompts and answers together."""
    turn_cost: float = Field(default=1.0, gt=0)
    """Cost of one turn in US dollars, by the ``prices`` of the models."""
    turn_steps: int = Field(default=6, ge=1, le=50)
    """Requests to the model in one turn."""
    turn_seconds: float = Field(default=90, gt=0, le=600)
    """Seconds that one turn may wait for models."""
    contact_tokens_a_day: int = Field(default=2_000_000, ge=0)
    """Tokens for one contact in a day; 0: no limit."""
    contact_cost_a_day: float = Field(default=5.0, ge=0)
    """Cost of one contact in a day; 0: no limit."""
    tokens_a_day: int = Field(default=0, ge=0)
    """Tokens for all contacts in a day; 0: no limit."""
    cost_a_day: float = Field(default=0.0, ge=0)
    """Cost of all contacts in a day; 0: no limit."""


class ModelPrices(Settings):
    """Prices in US dollars for a million tokens."""

    input: float = Field(default=0, ge=0)
    """The price of a million tokens of prompts. 0: free."""
    output: float = Field(default=0, ge=0)
    """The price of a million tokens of answers. 0: free."""
    cached_input: float | None = Field(default=None, ge=0)
    """The price of a million tokens of prompts that the provider had cached. By default the same as ``input``."""


class ModelEntry(Settings):
    """One entry of the model registry."""

    provider: Literal["local", "openai", "anthropic", "google"] = "local"
    """``local`` quotes the documents and takes no other setting. ``openai`` is any endpoint with OpenAI's chat
    completions API."""
    model: str = ""
    """The model's name at the provider. A LoRA adapter has a name of its own."""
    base_url: WebAddress = ""
    """The endpoint's address. Required for ``openai``; the other providers have a default."""
    api_key: SecretStr = SecretStr("")
    """The key, as ``${VARIABLE}`` or ``file:name``. Empty for a server that needs none."""
    timeout: float = Field(default=60, gt=0, le=600)
    """Seconds that a whole answer may take."""
    first_token: float = Field(default=20, gt=0, le=600)
    """Seconds to wait for the first token, and for each one after it."""
    context: int = Field(default=32_000, ge=2_000)
    """The model's context window: tokens of prompt and answer together."""
    max_output: int = Field(default=1_000, ge=50)
    """The greatest number of tokens in an answer."""
    prices: ModelPrices = ModelPrices()
    """The provider's prices, by which budgets count costs. Without them the model counts as free."""
    whole_knowledge: int = Field(default=0, ge=0)
    """If all of a tenant's documents have at most this many tokens, the model sees all of them with every question.
    0: never."""
    abilities: list[Literal["actions", "vision"]] = []
    """``actions`` lets the model ask for the tenant's actions. ``vision`` sends it the pictures that contacts send."""
    fallback: list[ModelName] = []
    """The entries to try, in order, when this one fails."""
    adapter_of: str = ""
    """The entry that this is a LoRA adapter of. It takes everything but ``model`` from it, and falls back on it."""

    @field_validator("abilities", mode="before")
    @classmethod
    def _refuse_json(cls, value: object) -> object:
        if isinstance(value, list) and "json" in value:
            raise ValueError("json has no effect, because models are never asked for JSON; leave it out")
        return value

    @model_validator(mode="after")
    def _check(self) -> ModelEntry:
        if self.adapter_of:
            if more := self.model_fields_set - {"adapter_of", "model"}:
                raise ValueError(f"an adapter takes {', '.join(sorted(more))} from the entry that it belongs to")
            if not self.model:
                raise ValueError("an adapter needs model, its name at the provider")
            return self
        if self.provider == "local":
            if more := self.model_fields_set - {"provider"}:
                raise ValueError(f"provider local takes no {', '.join(sorted(more))}; did you mean `provider: openai`?")
            return self
        for name in ("model", "base_url") if self.provider == "openai" else ("model",):
            if not getattr(self, name):
                raise ValueError(f"provider {self.provider} needs {name}")
        if self.max_output * 2 > self.context:
            raise ValueError("max_output must be at most half of context, so that there is room for the passages")
        if self.whole_knowledge and self.whole_knowledge + self.max_output > self.context * 0.9:
            raise ValueError("whole_knowledge and max_output together must leave a tenth of context for the question")
        return self


class AdapterSettings(Settings):
    """An adapter that answers a part of the conversations of the model that it belongs to."""

    model: ModelName
    """The adapter's entry of ``models``."""
    base: ModelName
    """The entry of ``models`` that it replaces, which is its ``adapter_of``."""
    share: float = Field(default=1.0, gt=0, le=1)
    """The share of conversations that it answers. A conversation keeps its adapter."""
    locale: str = ""
    """Only conversations in this language, such as ``de``. Empty: all."""
    note: str = ""
    """Why it was promoted."""


def model_names(model: str | Mapping[str, str]) -> list[str]:
    """The entries that a tenant's ``model`` setting refers to."""
    return [model] if isinstance(model, str) else list(model.values())


class TranscriberEntry(Settings):
    """One entry of the registry of transcribers."""

    provider: str = Field(default="faster-whisper", min_length=1)
    """``faster-whisper`` runs a Whisper model on this machine. ``openai`` is any endpoint with OpenAI's transcription
    API. Any other name is that of an entry point in the group ``parley.transcribers`` of an installed package."""
    model: str = ""
    """For ``faster-whisper``, the folder of a model in its format; by default the one that `make speech-model` fetched.
    For ``openai``, the model's name there, which is required."""
    base_url: WebAddress = ""
    """The endpoint's address, such as ``https://api.openai.com/v1``. Required for ``openai``."""
    api_key: SecretStr = SecretStr("")
    """The key, as ``${VARIABLE}`` or ``file:name``. Empty for a server that needs none."""
    language: str = Field(default="", max_length=20)
    """The code of the language in which contacts speak, such as ``de``. Empty: it is recognized in each note."""
    max_seconds: int = Field(default=180, ge=1, le=3600)
    """Voice notes that are longer are not transcribed; the contact is asked to write, or to send a shorter one."""
    timeout: float = Field(default=60, gt=0, le=600)
    """Seconds that the transcription of one note may take, waiting for others included."""
    threads: int = Field(default=2, ge=1, le=64)
    """Processor threads of ``faster-whisper``. It transcribes one note after another."""

    @model_validator(mode="after")
    def _check(self) -> TranscriberEntry:
        if self.provider == "openai":
            for name in ("model", "base_url"):
                if not getattr(self, name):
                    raise ValueError(f"provider openai needs {name}")
        if self.provider == "faster-whisper" and (self.base_url or self.api_key.get_secret_value()):
            raise ValueError("provider faster-whisper takes no base_url and api_key; did you mean `provider: openai`?")
        return self
