"""Ids in Meta's forms."""

from __future__ import annotations

import base64

from tests.simulators.ids import Ids


class MetaIds(Ids):
    def wamid(self, wa_id: str) -> str:
        head = b"\x1d\x0b" + wa_id.encode() + b"\x15\x02"
        return "wamid." + base64.b64encode(head + self.random.randbytes(18)).decode()

    def mid(self) -> str:
        return "aWdfZAG1faXRlbToxOk" + base64.urlsafe_b64encode(self.random.randbytes(72)).decode().rstrip("=")

    def trace(self) -> str:
        return self.letters(23, "A")
