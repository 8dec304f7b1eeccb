"""The evidence of a failed case follows it through vendor, store, log and process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.processes import ForkServer
from tests.harness.task_dump import TOLD
from tests.scenarios.customer_conversation import HEAT, CustomerConversation
from tests.scenarios.customers.slack import SocketCustomers
from tests.scenarios.evidence import Evidence
from tests.scenarios.kills import fail_on_wait
from tests.scenarios.scenario_installation import ScenarioSettings, stage_of


@pytest.mark.slow
async def test_a_failure_leaves_what_the_vendor_the_record_the_bus_and_the_process_say(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    async with stage_of(fork_server, tmp_path / "stage", ScenarioSettings(kinds=(SocketCustomers,))) as stage:
        talk = CustomerConversation(stage, stage.customers[0], "ann", fail_on_wait)
        shown = await talk.ask(HEAT)
        evidence = Evidence(stage, kept)
        assert await evidence.keep(talk, AssertionError("made up")) == kept / "ann"
    told = (kept / "ann" / "told.txt").read_text()
    wanted = ("made up", HEAT, shown.text[:20], "is sent", "answers", "chat.postMessage 200", '"transcript"')
    assert [each for each in (*wanted, "parley.message.received.v1") if each not in told] == []
    assert 'parley_accounts_heard{account="socket"' in (kept / "ann" / "dev-metrics.txt").read_text()
    log = (kept / "ann" / "dev.log").read_text()
    assert TOLD in log
    assert "_read" in log


@pytest.mark.slow
async def test_a_dead_process_does_not_hide_the_failure(fork_server: ForkServer, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    async with stage_of(fork_server, tmp_path / "stage", ScenarioSettings(kinds=(SocketCustomers,))) as stage:
        talk = CustomerConversation(stage, stage.customers[0], "ann", fail_on_wait)
        await talk.say(HEAT)
        await talk.accepted()
        await stage.installation.kill("dev")
        await Evidence(stage, kept).keep(talk, AssertionError("made up"))
    told = (kept / "ann" / "told.txt").read_text()
    assert [each for each in ("made up", "heard", "parley.message.received.v1") if each not in told] == []
    assert (kept / "ann" / "dev.log").exists()
