"""Where the shop's mails go: a file, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path


class Outbox:
    """One JSON object a line. A key that was used is not written again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def put(self, key: str, to: str, text: str) -> None:
        if all(mail["key"] != key for mail in self.mails()):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "to": to, "text": text}, ensure_ascii=False) + "\n")

    def mails(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
