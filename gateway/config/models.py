"""What may be written about models: the registry, who may spend what on them, and how they are to write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from connectors.settings import Settings, require_pattern

Language = Annotated[str, AfterValidator(lambda text: _language(text))]
ModelName = Annotated[str, Field(min_length=1)]


def _language(text: str) -> str:
    return require_pattern(
        text.casefold(), r"[a-z]{2,3}([-_][a-z0-9]{2,8})?", "must be a language, such as en, de or pt-br"
    )


def web_address(text: str) -> str:
    return require_pattern(
        text, r"(https?://[^\s/?#]+[^\s?#]*)?", "must begin with https:// (or http://) and name a host"
    )


class VoiceExample(Settings):
    """How the tenant would answer a message."""

    message: str = Field(min_length=1, max_length=2000)
    answer: str = Field(min_length=1, max_length=2000)


class Budgets(Settings):
    """What a tenant's models may spend: in one turn; by one contact, and by all, in a day (UTC). 0 a day: no bound.
    Costs in US dollars. What is over it is answered by `local`."""

    turn_tokens: int = Field(default=400_000, ge=1_000)
    turn_cost: float = Field(default=1.0, gt=0)
    turn_steps: int = Field(default=6, ge=1, le=50)
    turn_seconds: float = Field(default=90, gt=0, le=600)
    contact_tokens_a_day: int = Field(default=2_000_000, ge=0)
    contact_cost_a_day: float = Field(default=5.0, ge=0)
    tokens_a_day: int = Field(default=0, ge=0)
    cost_a_day: float = Field(default=0.0, ge=0)


class ModelPrices(Settings):
    """US dollars for a million tokens. ``cached_input``: of a prompt the provider had in its cache; empty: as input."""

    input: float = Field(default=0, ge=0)
    output: float = Field(default=0, ge=0)
    cached_input: float | None = Field(default=None, ge=0)


class ModelEntry(Settings):
    """One entry of the model registry. ``local`` needs nothing else. ``openai`` is any endpoint with OpenAI's chat
    completions: ``model`` by the name it has there (a LoRA adapter by its own), ``api_key`` as ``${VARIABLE}`` or
    ``file:name``, empty for a server that asks for none. ``anthropic`` and ``google`` know their own address.

    ``timeout``: seconds for a whole answer; ``first_token``: seconds of silence, before the first token or between
    two; ``context``: tokens of prompt and answer together; ``max_output``: tokens of an answer; ``whole_knowledge``:
    tokens up to which all of a tenant's documents are shown with every question, 0 for never. ``abilities``: with
    ``actions``, the model may ask for the tenant's actions. ``fallback``: the entries to try when this one fails."""

    provider: Literal["local", "openai", "anthropic", "google"] = "local"
    model: str = ""
    base_url: Annotated[str, AfterValidator(web_address)] = ""
    api_key: SecretStr = SecretStr("")
    timeout: float = Field(default=60, gt=0, le=600)
    first_token: float = Field(default=20, gt=0, le=600)
    context: int = Field(default=32_000, ge=2_000)
    max_output: int = Field(default=1_000, ge=50)
    prices: ModelPrices = ModelPrices()
    whole_knowledge: int = Field(default=0, ge=0)
    abilities: list[Literal["actions", "json", "vision"]] = []
    fallback: list[ModelName] = []

    @model_validator(mode="after")
    def _complete(self) -> ModelEntry:
        if self.provider == "local":
            if more := self.model_fields_set - {"provider"}:
                raise ValueError(f"provider local takes no {', '.join(sorted(more))}; did you mean `provider: openai`?")
            return self
        for name in ("model", "base_url") if self.provider == "openai" else ("model",):
            if not getattr(self, name):
                raise ValueError(f"provider {self.provider} needs {name}")
        if self.max_output * 2 > self.context:
            raise ValueError("max_output must be at most half of context: the passages need room too")
        if self.whole_knowledge and self.whole_knowledge + self.max_output > self.context * 0.9:
            raise ValueError("whole_knowledge and max_output must leave a tenth of context for the question")
        return self


def names_of(model: str | Mapping[str, str]) -> list[str]:
    """The entries that a tenant's ``model`` names."""
    return [model] if isinstance(model, str) else list(model.values())
