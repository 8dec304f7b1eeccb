"""Settings of transcribers, which turn voice notes into text."""

from __future__ import annotations

from pydantic import Field, SecretStr, model_validator

from connectors.settings import Settings
from gateway.config.field_types import WebAddress


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
