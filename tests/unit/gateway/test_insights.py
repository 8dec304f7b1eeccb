"""Groups of failed answers over the API and by the commands: what the contract names, drafts of documents, reports."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_worker.learning.insights.failure_signals import read_questions
from agent_worker.learning.insights.outcomes import assess
from agent_worker.learning.insights.report_builder import build_report
from gateway.insights import insight_reader
from gateway.insights.period_report import PeriodReport, summarize
from gateway.insights.report_rendering import render_html, render_markdown
from gateway.insights.timelines import Period
from tests.harness.processes import ROOT
from tests.harness.shared_parent import parley_command
from tests.unit.gateway.conftest import Instance
from tests.unit.insights.log_writer import START, LogWriter

GIFTS = ["Do you wrap presents?", "Can you gift wrap it?", "Is gift wrapping possible?", "Wrap it as a present please"]
PEOPLE = "Yes, we wrap presents for 3 euros. Ann can write to ann@bloom.example."


async def write_declined(instance: Instance, days_ago: float = 3) -> None:
    """Eight questions that the documents did not answer, but Carla did."""
    for number in range(8):
        talk = LogWriter(f"gift-{number}", at=instance.clock() - timedelta(days=days_ago))
        talk.asks(GIFTS[number % 4])
        talk.wait(seconds=2)
        talk.answers("I do not know.", outcome="declined", intent="extras", model="small", cost=0.25)
        talk.passes_to("queue", reason="1 answers in a row did not help")
        talk.wait(minutes=2)
        talk.passes_to("person", by="slack:U1")
        talk.person_writes(f"{PEOPLE} Carla")
        await instance.services.bus.append(talk.events)


async def write_answered(instance: Instance) -> None:
    for number in range(6):
        talk = LogWriter(f"fine-{number}", at=instance.clock() - timedelta(days=2))
        talk.asks("How long does delivery take?")
        talk.answers(cites=["delivery"], model="large", cost=0.5)
        await instance.services.bus.append(talk.events)


async def test_groups_have_what_the_contract_names(instance: Instance) -> None:
    await write_declined(instance)
    await write_answered(instance)
    found = (await instance.admin("GET", "/insights?since=30d")).body
    (group,) = found["groups"]
    assert {name: group[name] for name in ("signal", "intent", "count", "cure")} == {
        "signal": "declined",
        "intent": "extras",
        "count": 8,
        "cure": "document",
    }
    assert group["examples"] == group["conversations"][:3]
    assert all(id.startswith("gift-") for id in group["conversations"])
    assert isinstance(group["trend"], float)
    assert group["id"]
    assert group["title"]
    assert group["suggestion"]
    assert (found["totals"]["questions"], found["totals"]["failed"], found["totals"]["grouped"]) == (14, 8, 8)


async def test_an_empty_period_has_no_groups(instance: Instance) -> None:
    await write_declined(instance, days_ago=20)
    found = (await instance.admin("GET", "/insights?since=7d")).body
    assert (found["groups"], found["totals"]["questions"]) == ([], 0)


async def test_names_and_addresses_stay_out_of_a_draft(instance: Instance) -> None:
    await write_declined(instance)
    (group,) = (await instance.admin("GET", "/insights")).body["groups"]
    assert "names" not in group["proposal"]
    saved = await instance.admin("POST", f"/insights/{group['id']}/draft")
    assert (saved.status, saved.body["document"]) == (201, f"insight-{group['id']}")
    document = (await instance.admin("GET", f"/knowledge/{saved.body['draft']}")).body
    assert "we wrap presents for 3 euros" in document["body"]
    assert "ann@bloom" not in document["body"]
    assert "Carla" not in document["body"]
    assert (document["proposal"]["document"], document["proposal"]["origin"]) == (saved.body["document"], "insights")
    assert document["visibility"] == "internal"


async def test_a_wrong_document_is_extended_in_its_draft(instance: Instance) -> None:
    published = {"title": "Extras", "body": "Wrapping costs 2 euros."}
    assert (await instance.admin("PUT", "/knowledge/extras", published)).status == 200
    for number in range(6):
        talk = LogWriter(f"gift-{number}", at=instance.clock() - timedelta(days=3))
        talk.asks(GIFTS[number % 4])
        talk.answers("It costs 2 euros. [1]", cites=["extras"])
        talk.passes_to("person", by="slack:U1", reason="claimed")
        talk.person_writes("Wrapping costs 3 euros since May.")
        await instance.services.bus.append(talk.events)
    (group,) = (await instance.admin("GET", "/insights")).body["groups"]
    assert (group["document"], group["cure"]) == ("extras", "document")
    saved = (await instance.admin("POST", f"/insights/{group['id']}/draft")).body
    assert saved == {"draft": "extras.draft", "document": "extras"}
    body = (await instance.admin("GET", "/knowledge/extras.draft")).body["body"]
    assert body.startswith("Wrapping costs 2 euros.\n\n## ")
    assert "3 euros since May" in body


async def test_a_group_without_a_proposal_makes_no_draft(instance: Instance) -> None:
    await write_answered(instance)
    assert (await instance.admin("POST", "/insights/0000/draft")).code == "not_found"


async def test_without_scikit_learn_only_the_groups_are_missing(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_declined(instance)
    monkeypatch.setattr(insight_reader, "is_installed", lambda: False)
    refused = await instance.admin("GET", "/insights")
    assert (refused.status, refused.code) == (503, "unavailable")
    report = (await instance.admin("GET", "/report")).body
    assert (report["groups"], report["total"]["conversations"]) == ([], 8)
    assert "scikit-learn" in report["missing"]


def test_serving_loads_no_scikit_learn() -> None:
    code = "import sys, gateway.http.app, gateway.wiring.compose; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


async def test_a_report_holds_everything_of_its_period(instance: Instance) -> None:
    await write_declined(instance)
    await write_answered(instance)
    report = PeriodReport.model_validate((await instance.admin("GET", "/report")).body)
    assert {row.key: row.conversations for row in report.outcomes["model"]} == {"small": 8, "large": 6}
    assert (report.total.durable, report.total.handed_off) == (6, 8)
    assert sum(step.conversations for step in report.steps) == 14
    assert sum(step.durable for step in report.steps) == 6
    assert [each.reason for each in report.handoff_reasons] == ["answers in a row did not help"]
    assert len(report.groups) == 1


def build(*talks: LogWriter) -> PeriodReport:
    """The report of these conversations."""
    until = START + timedelta(days=30)
    period = Period(START, until, until)
    timelines = [talk.timeline() for talk in talks]
    outcomes = [found for each in timelines if (found := assess(each, START, until, until)) is not None]
    questions = [question for each in timelines for question in read_questions(each, START, until)]
    return summarize(outcomes, build_report(questions, None, START, until), period)


def decline(name: str, text: str) -> LogWriter:
    talk = LogWriter(name)
    talk.asks(text)
    talk.answers("No.", outcome="declined")
    talk.passes_to("queue", reason="the contact asked for a person")
    return talk


def test_a_report_in_markdown_links_to_conversations() -> None:
    report = build(*(decline(f"gift-{number}", text) for number, text in enumerate(GIFTS)))
    text = render_markdown(report, "shop", "Shop", "https://help.example")
    assert text.startswith("# What became of conversations with Shop\n")
    assert "| passed to people | 4 (100%) |" in text
    assert "- the contact asked for a person: 4" in text
    assert "(https://help.example/console/shop/conversations/gift-" in text


def test_a_report_shows_strangers_text_as_text() -> None:
    hostile = "<script>alert('wrap')</script> | [wrap](https://evil.example)"
    report = build(*(decline(f"x{number}", hostile) for number in range(4)))
    page = render_html(report, "shop", "Shop", "")
    assert "&lt;script&gt;alert" in page
    assert "<script>" not in page
    assert "\\[wrap\\](https://evil.example)" in render_markdown(report, "shop", "Shop", "")


@pytest.mark.parametrize(("days", "steps"), [(7, 7), (16, 16), (17, 3), (30, 5)])
def test_a_plot_is_drawn_by_day_or_by_week(days: int, steps: int) -> None:
    until = START + timedelta(days=days)
    talk = decline("a", "Do you wrap?")
    outcome = assess(talk.timeline(), START, until, until)
    assert outcome is not None
    report = summarize([outcome], None, Period(START, until, until))
    assert [step.conversations for step in report.steps] == [1] + [0] * (steps - 1)
    assert render_html(report, "shop", "Shop", "").count("<title>") == 2


async def command(instance: Instance, *arguments: str) -> str:
    """A command's output, from a configuration beside the instance's."""
    file = instance.services.config.data_path.parent / "parley.yaml"
    whole = [*parley_command(), *arguments, "-c", str(file), "-t", "shop", "--url", instance.address]
    process = await asyncio.create_subprocess_exec(*whole, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


async def test_the_commands_print_and_write(instance: Instance, tmp_path: Path) -> None:
    await write_declined(instance)
    shown = await command(instance, "insights", "--since", "30d")
    assert "declined  document" in shown
    assert "parley insights --draft" in shown
    found: Any = json.loads(await command(instance, "insights", "--json"))
    assert found["groups"][0]["count"] == 8
    assert "saved as insight-" in await command(instance, "insights", "--draft", found["groups"][0]["id"])
    assert (await command(instance, "report", "--since", "30d")).startswith("# What became of")
    page = tmp_path / "report.html"
    await command(instance, "report", "--out", str(page))
    assert page.read_text().startswith("<!doctype html>")
    assert json.loads(await command(instance, "report", "--json"))["total"]["conversations"] == 8
