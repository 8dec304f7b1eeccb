"""Mask one-time codes in texts that people keep: summaries for colleagues, and exports."""

from __future__ import annotations

import re

from schemas.privacy.cards import OwnNumbers
from schemas.privacy.harmless_numbers import is_covered

HIDDEN = "[code]"
_SIX_DIGITS = re.compile(r"(?<![\w.,/+#-])\d{3}[ \u00a0-]?\d{3}(?![\w/-]|[.,]\d| ?[€$£%])")
"""Six digits, as `agent_worker/actions/one_time_codes` generates them, also typed in two groups of three."""


def mask_one_time_codes(text: str, own: OwnNumbers | None = None) -> str:
    """Mask each number of six digits, unless it is one of the tenant's own (matched by ``own``). Amounts, dates and
    longer numbers stay as they are."""

    def hide(found: re.Match[str]) -> str:
        return found[0] if is_covered(own, text, found.start(), found.end()) else HIDDEN

    return _SIX_DIGITS.sub(hide, text)
