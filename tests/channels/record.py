"""Write down what a channel makes of its fixtures today: ``python -m tests.channels.record CHANNEL [CASE …]``.

Read what it wrote before it is committed: from then on it is what the channel promises.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.channels import fixture_cases, fixture_translation


def write(path: Path, made: Any) -> None:
    path.write_text(json.dumps(made, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def main(channel: str, *wanted: str) -> None:
    for case in fixture_cases.cases(channel, "inbound"):
        if not wanted or case.name in wanted:
            write(case / "events.json", fixture_translation.events(channel, case))
    for case in fixture_cases.cases(channel, "outbound"):
        if not wanted or case.name in wanted:
            write(case / "requests.json", fixture_translation.requests(channel, case))
            if (case / "reply.json").exists():
                write(case / "receipt.json", fixture_translation.receipt(channel, case))


if __name__ == "__main__":
    main(*sys.argv[1:])
