"""`parley eval` takes cases from the log, runs them and compares setups, on both engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.harness.contract_client import ContractClient, wait_for
from tests.harness.installation import DOCUMENTS, QUESTIONS

HEAT, *_ = QUESTIONS
UNKNOWN = "Do you sell spaceships?"
PERSON = "Yes, from 99.50 euro."


async def evaluate(shop: ContractClient, *words: str) -> tuple[int, Any]:
    options = ("--tenant", "plantstore", "--url", shop.base, "--json")
    status, output = await shop.installation.command("eval", *words, *options)
    start = output.find("\n{") + 1 if not output.startswith("{") else 0
    return status, json.loads(output[start:])


async def ask(shop: ContractClient, text: str, person: str = "") -> str:
    """A conversation with one question, which the agent answers, and then maybe a person. Returns its id."""
    visitor = await shop.visitor()
    async with visitor.tab(last_seq=0) as tab:
        await tab.send(type="message", client_msg_id="1", text=text)
        await tab.reply("agent")
        if person:
            body = {"client_msg_id": "p1", "text": person}
            assert (await shop.admin("POST", f"conversations/{visitor.conversation}/messages", json=body)).status == 202
            await tab.reply("person")

    async def is_recorded() -> bool:
        return bool((await shop.admin("GET", f"conversations/{visitor.conversation}")).body["turns"])

    assert await wait_for(is_recorded)
    return str(visitor.conversation)


async def add(shop: ContractClient, suite: Path, conversation: str) -> dict[str, Any]:
    status, added = await evaluate(shop, "add", str(suite), "--conversation", conversation)
    assert status == 0, added
    case: dict[str, Any] = added["case"]
    return case


async def test_a_conversation_from_the_log_is_run_again_as_a_case(own_shop: ContractClient, tmp_path: Path) -> None:
    suite = tmp_path / "suite.yaml"
    case = await add(own_shop, suite, await ask(own_shop, HEAT))
    assert (case["message"], case["expect"]) == (HEAT, {"cites": ["shipping"]})

    status, result = await evaluate(own_shop, "run", str(suite), "--out", str(tmp_path / "results.json"))
    assert (status, result["cases"], result["passed"], result["cost"]) == (0, 1, 1, 0)
    assert result["by_check"] == {"cites": {"passed": 1, "failed": 0, "not_checked": 0}}
    assert result["p95_ms"] > 0

    folder = tmp_path / "without"
    folder.mkdir()
    for name, text in DOCUMENTS.items():
        (folder / f"{name}.md").write_text("# Shipping\n\nWe like plants.\n" if name == "shipping" else text)
    candidate = tmp_path / "candidate.yaml"
    candidate.write_text("knowledge: without\n")
    status, worse = await evaluate(own_shop, "run", str(suite), "--candidate", str(candidate))
    assert (status, worse["passed"]) == (1, 0)
    assert "cites nothing" in worse["results"][0]["checks"][0]["why"]

    sides = (str(tmp_path / "results.json"), str(candidate), "--suite", str(suite))
    status, comparison = await evaluate(own_shop, "compare", *sides, "--gate")
    assert (status, comparison["differences"]["passed"]["difference"]) == (0, -1.0), "one case proves nothing"
    case_text = "  - {{name: c{n}, message: '{HEAT}', expect: {{cites: shipping}}}}\n"
    suite.write_text("cases:\n" + "".join(case_text.format(n=n, HEAT=HEAT) for n in range(6)))
    sides = ("current", str(candidate), "--suite", str(suite))
    status, comparison = await evaluate(own_shop, "compare", *sides, "--gate")
    assert (status, comparison["worse"]) == (1, ["passed", "cites"])


async def test_what_people_answered_is_a_case_and_a_side_of_a_comparison(
    own_shop: ContractClient, tmp_path: Path
) -> None:
    suite = tmp_path / "suite.yaml"
    case = await add(own_shop, suite, await ask(own_shop, UNKNOWN, PERSON))
    assert (case["people"], case["expect"]) == (PERSON, {"contains": ["99.50"]})
    await add(own_shop, suite, await ask(own_shop, HEAT))
    status, comparison = await evaluate(own_shop, "compare", "people", "current", "--suite", str(suite))
    assert status == 0
    assert comparison["cases"] == 1
    figures = comparison["differences"]["contains"]
    assert (figures["a"], figures["b"]) == (1.0, 0.0)


async def test_mistakes_are_reported_with_their_place(own_shop: ContractClient, tmp_path: Path) -> None:
    suite = tmp_path / "suite.yaml"
    suite.write_text("cases:\n  - name: a\n    message: Hello\n    expect: {contians: x}\n")
    status, reported = await evaluate(own_shop, "run", str(suite))
    assert (status, reported["error"]["code"]) == (2, "config_invalid")
    assert "suite.yaml:4" in reported["error"]["message"]
    assert "did you mean 'contains'?" in reported["error"]["message"]
    status, reported = await evaluate(own_shop, "add", str(tmp_path / "new.yaml"), "--conversation", "gone")
    assert (status, reported["error"]["code"]) == (2, "not_found")
