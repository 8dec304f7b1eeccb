"""The section `routes`: what an operator writes, what is learned from it, and who would answer what."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import loader as configuration
from gateway.config.routing import DEFAULT_RISKS, RoutingSettings
from gateway.config.settings import Config
from gateway.wiring import routing
from schemas.errors import ConfigInvalid, SetupError
from tests.harness.installation import ADMIN_TOKEN, SECRET_KEY
from tests.unit.agent_worker.router.examples import EXAMPLES
from tests.unit.gateway.conftest import Instance
from tests.unit.gateway.test_cli import parley

EXAMPLE = Path(__file__).parents[3] / "examples" / "plantstore"
SHOP = "data_dir: data\nencoder: light\ntenants:\n  shop:\n    name: Shop\n    routes: %s\n"
FILE = "{examples: intents.yaml, person_after: 2}"


def load(folder: Path, routes: str, more: str = "") -> Config:
    file = folder / "parley.yaml"
    file.write_text(more + SHOP % routes, encoding="utf-8")
    return configuration.load(file, environ={}, make_secrets=False)


def write(folder: Path, examples: Any = EXAMPLES) -> None:
    text = yaml.safe_dump({name: list(given) for name, given in examples.items()})
    (folder / "intents.yaml").write_text(text, encoding="utf-8")


def test_without_the_section_there_are_no_rules(tmp_path: Path) -> None:
    (tmp_path / "parley.yaml").write_text("tenants: {shop: {name: Shop}}\n")
    config = configuration.load(tmp_path / "parley.yaml", environ={}, make_secrets=False)
    rules = routing.build_route_rules(config.tenants["shop"])
    assert (rules.risks, rules.trained, rules.person_after) == ((), None, 0)


def test_the_section_brings_the_usual_risks_and_joins_the_tenants_own(tmp_path: Path) -> None:
    config = load(tmp_path, '{risks: {press: [journalist], chargeback: [], "self-harm": {phrases: [x y], say: Call.}}}')
    topics = {topic.name: topic for topic in routing.build_route_rules(config.tenants["shop"]).risks}
    assert {"legal threat", "data deletion", "press"} <= topics.keys()
    assert topics["chargeback"].phrases == ()
    assert topics["self-harm"].say == "Call."


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ("{models: {cheap: smal}}", "tenants.shop.routes.models.cheap: there is no model 'smal' under `models`"),
        ("{tiers: {gold: strong}}", "'gold' is neither anonymous, channel, verified nor a channel/account"),
        ("{unknown: nobody}", "tenants.shop.routes.unknown: must be 'local', 'cheap', 'strong' or 'person'"),
        ("{person_aftr: 2}", "did you mean 'person_after'?"),
        ("{sure_above: 2}", "tenants.shop.routes.sure_above"),
    ],
)
def test_an_invalid_setting_is_reported_with_its_place(tmp_path: Path, routes: str, said: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path, routes)
    assert said in caught.value.message
    assert "parley.yaml:6:" in caught.value.message


@pytest.mark.parametrize("text", ["login: 5", "login: {example: [a]}", "[a, b]", "login: [a", ""])
def test_a_file_of_examples_that_cannot_be_used_is_told_by_its_name(tmp_path: Path, text: str) -> None:
    config = load(tmp_path, FILE)
    with pytest.raises(ConfigInvalid, match="cannot read"):
        routing.build_route_rules(config.tenants["shop"])
    (tmp_path / "intents.yaml").write_text(text)
    with pytest.raises(ConfigInvalid, match=r"intents\.yaml: "):
        routing.build_route_rules(config.tenants["shop"])


def test_the_learned_classifier_depends_on_the_examples_alone(tmp_path: Path) -> None:
    """An embedded instance learns at its start, and only when they changed."""
    write(tmp_path)
    told: list[str] = []
    routing.train_changed_models(load(tmp_path, FILE), told.append)
    assert told == ["learning the intents of shop; this happens once"]
    routing.train_changed_models(load(tmp_path, "{examples: intents.yaml, unknown: person}"), told.append)
    assert len(told) == 1, "a threshold is not learned"
    write(tmp_path, EXAMPLES | {"visit": ("can I visit you", "when are you open", "is there parking")})
    os.utime(tmp_path / "intents.yaml", ns=(1, 1))
    routing.train_changed_models(load(tmp_path, FILE), told.append)
    assert len(told) == 2


def test_several_processes_learn_by_themselves_from_few_examples_only(tmp_path: Path) -> None:
    """With a file that all of them read, or with many examples, somebody is told to run the command first."""
    write(tmp_path)
    scaled = f"bus: kafka://a:1\nstate: redis://a:1/0\nsecret_key: {SECRET_KEY}\nadmin_token: {ADMIN_TOKEN}\n"
    own, shared = load(tmp_path, FILE, scaled), load(tmp_path, "{examples: intents.yaml, trained: all.npz}", scaled)
    routing.ensure_trained(own, "shop")
    assert routing.default_model_file(own, "shop").exists()
    with pytest.raises(SetupError, match="no intents have been learned yet") as caught:
        routing.ensure_trained(shared, "shop")
    assert "parley route train" in caught.value.fix
    assert [finding.status for finding in routing.check_intents(shared)] == ["fail"]
    routing.train(shared, "shop")
    routing.ensure_trained(shared, "shop")
    write(tmp_path, {name: given[1:] for name, given in EXAMPLES.items()})
    os.utime(tmp_path / "intents.yaml", ns=(1, 1))  # a file is read again when its time changed
    with pytest.raises(SetupError, match="learned from other examples"):
        routing.ensure_trained(shared, "shop")
    write(tmp_path, EXAMPLES | {"visit": tuple(f"visit number {n}" for n in range(routing.MAX_EXAMPLES_AT_START))})
    with pytest.raises(SetupError, match="learned from other examples"):
        routing.ensure_trained(own, "shop")


async def test_explain_tells_the_decision_as_the_contract_has_it(instance: Instance) -> None:
    """Without the section the documents' own words answer."""
    plain = await instance.admin("POST", "/route/explain", {"text": "where is my parcel"})
    assert plain.body.keys() == {"route", "intent", "confidence", "out_of_scope", "reasons", "scores"}
    assert (plain.status, plain.body["route"], plain.body["intent"]) == (200, "local", "")

    async def explained(text: str) -> Any:
        return await instance.call("POST", "/v1/admin/other/route/explain", {"text": text})

    risky = (await explained("please refund my order")).body
    assert (risky["route"], risky["intent"]) == ("person", "refund")
    assert risky["reasons"][0].endswith("is risky")
    press = (await explained("two journalists are here")).body
    assert (press["route"], press["reasons"]) == ("person", ["risk: press"])


async def test_explain_refuses_what_is_no_message(instance: Instance) -> None:
    for body in ({"text": ""}, {"text": "a", "more": 1}, {}):
        assert (await instance.admin("POST", "/route/explain", body)).code == "invalid_request"
    assert (await instance.admin("POST", "/route/explain", {"text": "a"}, token="wrong")).code == "unauthorized"


def test_the_commands_learn_and_explain(tmp_path: Path) -> None:
    """On the example shop, with no instance running."""
    config = tmp_path / "parley.yaml"
    text = (EXAMPLE / "parley.yaml").read_text(encoding="utf-8")
    text = text.replace("examples: routes.yaml", f"examples: {EXAMPLE / 'routes.yaml'}").replace(
        "encoder: auto", "encoder: light"
    )
    config.write_text(text.replace("127.0.0.1:8080", "127.0.0.1:1"), encoding="utf-8")
    learned = parley("route", "train", "--json", cwd=tmp_path)
    assert learned.returncode == 0, learned.stderr
    worth = json.loads(learned.stdout)
    assert worth["accuracy"] > 0.35, "held back in turn, of sixteen intents with eight examples each"
    asked = parley("route", "explain", "How much is postage to Paris?", cwd=tmp_path)
    assert asked.returncode == 0, asked.stderr
    assert "route       local" in asked.stdout
    assert "intent      shipping" in asked.stdout


GUIDE = (EXAMPLE.parents[1] / "docs" / "routing.md").read_text(encoding="utf-8")


def test_the_guide_names_every_setting_with_its_default_and_every_built_in_topic() -> None:
    for name, field in RoutingSettings.model_fields.items():
        (row,) = re.findall(rf"^\| `{name}` \| (.*?) \|", GUIDE, re.MULTILINE)
        if isinstance(field.default, int | float | str) and name != "trained":
            assert row == str(field.default) or not field.default, name
    assert all(topic in GUIDE for topic in DEFAULT_RISKS)


def test_the_example_of_the_guide_is_a_valid_configuration_that_can_be_learned(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    file = tmp_path / "parley.yaml"
    file.write_text("encoder: light\n" + block, encoding="utf-8")
    config = configuration.load(file, environ={"MODEL_KEY": "k"}, make_secrets=False)
    worth = routing.train(config, "plantstore")
    assert worth is not None
    assert worth.intents == 4


def test_a_worker_that_routes_does_not_import_what_learns() -> None:
    code = (
        "import sys, gateway.wiring.consumers, gateway.wiring.routing\n"
        "print([name for name in sys.modules if name == 'agent_worker.router.training'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=EXAMPLE.parents[1], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
