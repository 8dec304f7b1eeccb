"""Common base and field types for the settings of channel accounts."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from schemas.key_ring import KeyRing, Keys


class Settings(BaseModel):
    """Unknown keys are errors: a typo must not silently switch something off."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def require_pattern(text: str, pattern: str, description: str) -> str:
    """Return the text if it matches, else raise ValueError with ``description``, a description in words."""
    if not re.fullmatch(pattern, text):
        raise ValueError(description)
    return text


def _color(text: str) -> str:
    return require_pattern(text, r"#[0-9a-fA-F]{6}", "must be a colour such as #2f6f4f")


def _address(text: str) -> str:
    return require_pattern(text, r"(https?|wss?)://[^\s?#]+", "must be an address such as https://host/path")


def _require_text(secret: KeyRing) -> KeyRing:
    if not secret.keys:
        raise ValueError("must not be empty")
    return secret


Color = Annotated[str, AfterValidator(_color)]
Address = Annotated[str, AfterValidator(_address)]
"""The vendor's address, which may also be a simulator or a proxy."""
Secret = Annotated[Keys, AfterValidator(_require_text)]
"""A secret that the account needs."""
