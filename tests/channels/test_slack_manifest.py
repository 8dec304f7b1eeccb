"""The app's manifest asks for what the code needs and what the guide says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from connectors.slack import connection
from tests.harness.processes import ROOT

FOLDER = Path(connection.__file__).parent
GUIDE = (ROOT / "docs" / "how-to" / "slack.md").read_text()


def manifest() -> Any:
    return yaml.safe_load((FOLDER / "manifest.yaml").read_text())


def test_the_manifest_asks_for_every_scope_that_doctor_wants_and_the_guide_names() -> None:
    asked = set(manifest()["oauth_config"]["scopes"]["bot"])
    assert connection.REQUIRED_SCOPES | connection.DESK_SCOPES | {connection.NAME_SCOPE} <= asked
    named = set(re.findall(r"`([a-z_]+:[a-z]+|commands)`", GUIDE)) - {"connections:write", "assistant:write"}
    assert named == asked


def test_the_manifest_subscribes_to_the_events_that_the_guide_names_for_everybody() -> None:
    subscribed = manifest()["settings"]["event_subscriptions"]["bot_events"]
    optional = {"message.channels", "message.groups", "message.mpim"}
    step = GUIDE[GUIDE.index("*Event Subscriptions*") : GUIDE.index("*Interactivity & Shortcuts*")]
    assert set(re.findall(r"`([a-z_.]+)`", step)) - optional == set(subscribed)
