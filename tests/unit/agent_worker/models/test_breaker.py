"""A model that is away is left alone, and the ladder goes on without it."""

from __future__ import annotations

import pytest

from agent_worker.grounding.failures import AttemptFailed, NotSent
from agent_worker.models.circuit_breaker import FAILURES_TO_OPEN, MAX_OPEN_S, OPEN_S, CircuitBreaker
from agent_worker.models.ladder import StreamedText
from agent_worker.models.providers.provider import ModelLimits
from agent_worker.models.providers.remote_model import RemoteModel
from agent_worker.models.registry import FallbackRule
from agent_worker.settings import TenantRules, WorkerSettings
from agent_worker.voice import DEFAULT_VOICE, Voice, translate_voice
from tests.simulators.models.server import Script
from tests.unit.agent_worker.models.conftest import SETTINGS, TENANT, Asking, LadderClient, source_of
from tests.unit.agent_worker.models.test_prompt import line

WINTER = "Do you add a heat pack in winter?"
OUTAGE = AttemptFailed("HTTP 529", outage=True)


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def breaker(time: Time) -> CircuitBreaker:
    return CircuitBreaker(time)


def is_open(breaker: CircuitBreaker) -> bool:
    try:
        breaker.acquire()
    except NotSent:
        return True
    return False


def fail(breaker: CircuitBreaker, times: int, error: AttemptFailed = OUTAGE) -> None:
    for _ in range(times):
        breaker.acquire()
        breaker.record_failure(error)


def test_it_opens_after_failures_in_a_row(breaker: CircuitBreaker) -> None:
    """One success in between begins the count anew."""
    fail(breaker, FAILURES_TO_OPEN - 1)
    breaker.acquire()
    breaker.record_success()
    fail(breaker, FAILURES_TO_OPEN - 1)
    assert not is_open(breaker)
    breaker.record_failure(OUTAGE)
    assert is_open(breaker)


def test_a_refused_sentence_does_not_open_it(breaker: CircuitBreaker) -> None:
    """The provider did its part."""
    fail(breaker, 3 * FAILURES_TO_OPEN, AttemptFailed("not grounded"))
    assert not is_open(breaker)


def test_one_request_tries_whether_the_provider_is_back(breaker: CircuitBreaker, time: Time) -> None:
    """Until its outcome is known nobody else asks; success closes, failure doubles the rest."""
    fail(breaker, FAILURES_TO_OPEN)
    time.now += OPEN_S
    assert not is_open(breaker)
    assert is_open(breaker), "the probe is under way"
    breaker.record_failure(OUTAGE)
    time.now += OPEN_S
    assert is_open(breaker), "the second rest is longer"
    time.now += OPEN_S
    assert not is_open(breaker)
    breaker.record_success()
    assert not is_open(breaker)
    assert not is_open(breaker)


def test_a_probe_that_was_given_up_lets_the_next_one_try(breaker: CircuitBreaker, time: Time) -> None:
    """A contact who corrects the question must not leave the provider shut for ever."""
    fail(breaker, FAILURES_TO_OPEN)
    time.now += OPEN_S
    breaker.acquire()
    breaker.release()
    assert not is_open(breaker)


def test_a_provider_gets_the_time_it_asks_for(breaker: CircuitBreaker, time: Time) -> None:
    """From its first 429 on; but never more than a bound."""
    fail(breaker, 1, AttemptFailed("HTTP 429", outage=True, retry_after=7))
    time.now += 6
    assert is_open(breaker)
    time.now += 1
    assert not is_open(breaker)
    breaker.record_failure(AttemptFailed("HTTP 429", outage=True, retry_after=1e9))
    time.now += MAX_OPEN_S
    assert not is_open(breaker)


def test_a_short_wait_stays_short(breaker: CircuitBreaker, time: Time) -> None:
    """A second is a second, however often it is asked for, and what follows it is no probe: a failure without a wish
    opens nothing by itself."""
    limited = AttemptFailed("HTTP 429", outage=True, retry_after=1)
    for _ in range(FAILURES_TO_OPEN + 1):
        fail(breaker, 1, limited)
        assert is_open(breaker)
        time.now += 1
    breaker.acquire()
    breaker.record_success()
    fail(breaker, 1, limited)
    time.now += 1
    fail(breaker, 1)
    assert not is_open(breaker)


def test_a_failing_model_does_not_rest_its_neighbour(time: Time) -> None:
    """They share an address, which answered; only the model that failed rests."""
    address = CircuitBreaker(time, name="its address")
    one, two = CircuitBreaker(time, address=address), CircuitBreaker(time, address=address)
    fail(one, FAILURES_TO_OPEN)
    assert is_open(one)
    assert not is_open(two)


def test_an_address_without_connections_rests_all_its_models(time: Time) -> None:
    """One request probes it for all of them; when that gets an answer, even a refusal, all may ask again."""
    address = CircuitBreaker(time, name="its address")
    one, two = CircuitBreaker(time, address=address), CircuitBreaker(time, address=address)
    fail(one, FAILURES_TO_OPEN, AttemptFailed("no connection", outage=True, unreachable=True))
    with pytest.raises(NotSent, match=rf"its address is not called for another {OPEN_S:g} s"):
        two.acquire()
    time.now += OPEN_S
    two.acquire()
    assert is_open(one), "the probe is under way"
    two.record_failure(OUTAGE)
    assert not is_open(one)


async def test_a_resting_provider_is_not_asked(asking: Asking, time: Time) -> None:
    """After a 429 with Retry-After no request leaves until then; the turn says so; its failures are counted once."""
    asker: LadderClient = asking(standing=FallbackRule(breaker=CircuitBreaker(time)))
    asker.server.next_scripts = [Script(status=429, retry_after=30)]
    assert (await asker.ask(WINTER)).model == "local"
    draft = await asker.ask(WINTER)
    assert (draft.model, draft.reasons) == ("local", ["model remote not asked: it is not called for another 30 s"])
    assert (len(asker.server.calls), asker.failed) == (1, ["remote"])
    time.now += 30
    assert (await asker.ask(WINTER)).model == "remote"


async def test_the_next_model_answers_when_the_first_is_away(asking: Asking) -> None:
    """In the configured order, before the extractive one; the reasons say what failed."""
    standing = FallbackRule(fallback=("second",))
    origin = asking()
    second = RemoteModel("second", source_of(origin.server, "google"), SETTINGS, ModelLimits())
    asker: LadderClient = asking(standing=standing, more={"second": second})
    asker.server.script_for = lambda call: Script(status=503) if call.body["model"] == "adapter-7" else Script()
    draft = await asker.ask(WINTER)
    assert (draft.model, draft.reasons) == ("second", ["model remote failed: HTTP 503"])
    assert asker.shown == draft.text


async def test_the_router_may_name_the_next_model(asking: Asking) -> None:
    """Before those of the configuration, and once each; the extractive model is always the last."""
    origin = asking()
    others = {
        name: RemoteModel(name, source_of(origin.server), SETTINGS, ModelLimits()) for name in ("second", "strong")
    }
    asker: LadderClient = asking(standing=FallbackRule(fallback=("second", "strong")), more=others)
    names = [model.name for model in asker.models.ladder("remote", "strong")]
    assert names == ["remote", "strong", "second", "local"]
    assert [model.name for model in asker.models.ladder("local")] == ["local"]


WAITING = WorkerSettings(
    tenants={
        TENANT: TenantRules(
            voice=Voice(not_found="Not in our documents.", models_unavailable="Not now.", handoff="A colleague.")
        )
    }
)


async def test_nobody_pretends_that_the_documents_are_silent_when_no_model_could_look(asking: Asking) -> None:
    """Where only a model could have judged, the contact is told to wait, and offered a person."""
    asker: LadderClient = asking(settings=WAITING)
    asker.server.script = Script(status=529)
    draft = await asker.ask(WINTER, confidence=0.3)
    assert (draft.text, draft.answered, draft.handoff) == ("Not now.", False, False)
    assert [choice.id for choice in draft.choices] == ["person"]


async def test_the_contact_is_told_to_wait_in_its_language(asking: Asking) -> None:
    voice = translate_voice(DEFAULT_VOICE, "es")
    asker: LadderClient = asking()
    asker.server.script = Script(status=529)
    question = "¿Añaden una bolsa de calor en invierno?"
    draft = await asker.ask(question, confidence=0.3, locale="es")
    assert draft.text == voice.models_unavailable
    assert [choice.label for choice in draft.choices] == [voice.person_choice]
    said = [line(question), line(draft.text, "agent")]
    assert (await asker.ask(question, confidence=0.3, locale="es", history=said)).text == voice.handoff


async def test_a_contact_told_to_wait_before_is_handed_off(asking: Asking) -> None:
    """The last rung: two turns in a row without a model."""
    asker: LadderClient = asking(settings=WAITING)
    asker.server.script = Script(status=529)
    said = [line(WINTER), line("Not now.", "agent")]
    draft = await asker.ask(WINTER, confidence=0.3, history=said)
    assert (draft.text, draft.handoff, draft.author) == ("A colleague.", True, "system")
    assert "no model for the second time in a row" in draft.reasons


async def test_a_refusal_by_the_gate_leads_to_no_please_wait_message(asking: Asking) -> None:
    """A model that cannot prove its answer would not do better in a few minutes."""
    asker: LadderClient = asking(settings=WAITING)
    asker.server.script = Script(text="We give 70 % off today [1].")
    draft = await asker.ask(WINTER, confidence=0.3)
    assert (draft.answered, draft.text) == (False, DEFAULT_VOICE.did_you_mean)


async def test_a_streamed_draft_that_is_not_the_answer_is_aborted() -> None:
    """Only then."""
    taken: list[str] = []

    async def emit(_: str) -> None: ...

    async def take_back() -> None:
        taken.append("back")

    shown = StreamedText(emit, take_back)
    await shown.emit("It is free [1].")
    await shown.finish("It is free [1]. More.")
    assert taken == []
    await shown.finish("Something else.")
    assert taken == ["back"]
