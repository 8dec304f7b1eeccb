"""Types of fields in requests."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

from schemas.validation.times import require_representable

Instant = Annotated[AwareDatetime, AfterValidator(require_representable)]
"""A time with an offset."""
