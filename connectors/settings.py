"""What the settings of every account obey."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr


class Settings(BaseModel):
    """Unknown keys are errors: a typo must not silently switch something off."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def shaped(text: str, pattern: str, wanted: str) -> str:
    # Says what is wanted in words; the pattern alone would help nobody.
    if not re.fullmatch(pattern, text):
        raise ValueError(wanted)
    return text


def _color(text: str) -> str:
    return shaped(text, r"#[0-9a-fA-F]{6}", "must be a colour such as #2f6f4f")


def _address(text: str) -> str:
    return shaped(text, r"(https?|wss?)://[^\s?#]+", "must be an address such as https://host/path")


def _filled(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().strip():
        raise ValueError("must not be empty")
    return secret


Color = Annotated[str, AfterValidator(_color)]
Address = Annotated[str, AfterValidator(_address)]
"""Where a vendor is reached; a simulator or a proxy may stand in."""
Secret = Annotated[SecretStr, AfterValidator(_filled)]
"""A secret without which the account cannot work."""
