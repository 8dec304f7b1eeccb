"""Known vulnerabilities of locked dependencies: a snapshot in the repository, and a check that needs no network.

python -m infra.deploy.advisories check              compare the lock files with the snapshot
python -m infra.deploy.advisories refresh ADDRESS    take a new snapshot from a package index with PyPI's JSON API
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import BaseModel, Field

_ROOT = Path(__file__).resolve().parents[2]
LOCKS = tuple(_ROOT / "requirements" / f"{name}.txt" for name in ("run", "image", "dev", "identity-provider"))
SNAPSHOT = _ROOT / "requirements" / "advisories.json"
_LOCKED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
_OLD_AFTER_DAYS = 90
_TIMEOUT_S = 30.0


class Advisory(BaseModel):
    id: str
    aliases: list[str] = []
    summary: str = ""
    fixed_in: list[str] = []


class Snapshot(BaseModel):
    taken: date
    packages: dict[str, dict[str, list[Advisory]]] = Field(default={}, description="by name and version")
    accepted: dict[str, str] = Field(default={}, description="the reason, by the id of an advisory that we live with")


def read_locked(files: Iterable[Path] = LOCKS) -> dict[str, set[str]]:
    """The locked versions by package."""
    locked: dict[str, set[str]] = {}
    for file in files:
        for name, version in _LOCKED.findall(file.read_text(encoding="utf-8")):
            locked.setdefault(name, set()).add(version)
    return locked


def find_vulnerable(locked: Mapping[str, Iterable[str]], snapshot: Snapshot) -> list[str]:
    """A line for each advisory about a locked version that nobody has accepted."""
    return [
        f"{name} {version}: {', '.join([known.id, *known.aliases])}: {known.summary or 'no summary'} "
        f"({'fixed in ' + ', '.join(known.fixed_in) if known.fixed_in else 'no fix yet'})"
        for name, version in _pairs(locked)
        for known in snapshot.packages.get(name, {}).get(version, [])
        if not snapshot.accepted.keys() & {known.id, *known.aliases}
    ]


def find_unknown(locked: Mapping[str, Iterable[str]], snapshot: Snapshot) -> list[str]:
    """Locked versions about which the index said nothing."""
    pairs = _pairs(locked)
    return [f"{name} {version}" for name, version in pairs if version not in snapshot.packages.get(name, {})]


def _pairs(locked: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    return [(name, version) for name, versions in sorted(locked.items()) for version in sorted(versions)]


def fetch_advisories(address: str, name: str, version: str) -> list[Advisory] | None:
    """The advisories about this version; None when the index only knows of another one. Raises OSError."""
    for path in (f"{name}/{version}", name):  # mirrors often answer for the newest version of a project only
        try:
            with urllib.request.urlopen(  # noqa: S310  # the operator named the address
                f"{address.rstrip('/')}/{path}/json", timeout=_TIMEOUT_S
            ) as answer:
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            continue
        if body["info"]["version"] == version:
            return [_advisory(each) for each in body.get("vulnerabilities") or [] if not each.get("withdrawn")]
    return None


def _advisory(body: Mapping[str, object]) -> Advisory:
    advisory = Advisory.model_validate({key: value for key, value in body.items() if value is not None})
    return advisory.model_copy(update={"summary": " ".join(advisory.summary.split())[:200]})


def take_snapshot(address: str, locked: Mapping[str, Iterable[str]], today: date, accepted: dict[str, str]) -> Snapshot:
    """Raises OSError when the index does not answer."""
    pairs = _pairs(locked)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda pair: fetch_advisories(address, *pair), pairs))
    snapshot = Snapshot(taken=today, accepted=accepted)
    for (name, version), known in zip(pairs, answers, strict=True):
        if known is not None:
            snapshot.packages.setdefault(name, {})[version] = known
    return snapshot


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 when a locked version has an advisory that nobody has accepted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check")
    commands.add_parser("refresh").add_argument("address", help="up to and without the project's name")
    options = parser.parse_args(arguments)
    today = datetime.now(UTC).date()
    snapshot = Snapshot.model_validate_json(SNAPSHOT.read_bytes()) if SNAPSHOT.is_file() else Snapshot(taken=today)
    locked = read_locked()
    if options.command == "refresh":
        snapshot = take_snapshot(options.address, locked, today, snapshot.accepted)
        SNAPSHOT.write_text(snapshot.model_dump_json(indent=1, exclude_defaults=True) + "\n", encoding="utf-8")
    vulnerable, unknown = find_vulnerable(locked, snapshot), find_unknown(locked, snapshot)
    print(*vulnerable, sep="\n", end="\n" if vulnerable else "")
    if unknown:
        print(f"Of these the package index said nothing: {', '.join(unknown)}")
    if (age := (today - snapshot.taken).days) > _OLD_AFTER_DAYS:
        print(f"The snapshot is {age} days old: `make advisories FROM=ADDRESS` takes a new one.", file=sys.stderr)
    count = len(_pairs(locked))
    print(f"{len(vulnerable)} known vulnerabilities in {count - len(unknown)} of {count} versions ({snapshot.taken})")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
