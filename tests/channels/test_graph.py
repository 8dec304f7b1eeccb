"""The code that WhatsApp and Instagram share: Graph's errors, and sealed choices."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.meta_graph.errors import build_delivery_error
from connectors.meta_graph.models import parse_time
from connectors.meta_graph.sealed_choices import fits_limits, open_choice, seal_choices
from connectors.meta_graph.webhooks import answer_challenge
from schemas.errors import (
    CredentialsRevoked,
    DeliveryError,
    InvalidRequest,
    ParleyError,
    RetryLater,
    SendRefused,
    SendUnknown,
    Unauthorized,
)
from schemas.messages import Choice, ChoiceSelection, OutboundMessage
from schemas.ports import RawRequest, VendorResponse
from tests.channels.meta import account_of
from tests.harness.channel_tools import NOW

APP = {"ig_id": "17841400000000001", "access_token": "t", "app_secret": "secret", "verify_token": "v"}
ACCOUNT = account_of("instagram", APP)
OTHER_APP = account_of("instagram", APP | {"app_secret": "other"})


def message(*choices: str, id_: str = "m1") -> OutboundMessage:
    made = [Choice(id=each, label=each) for each in choices]
    author: Any = {"kind": "agent"}
    return OutboundMessage(
        id=id_, author=author, text="?", place="p", contact_id="c", choices=made, created_at=NOW, expires_at=NOW
    )


def failed(
    code: Any, subcode: Any = None, *, status: int = 400, headers: dict[str, str] | None = None
) -> DeliveryError:
    error = {"message": "anything", "code": code, "error_subcode": subcode}
    return build_delivery_error(VendorResponse(status, {"error": error}, headers or {}))


@pytest.mark.parametrize(
    ("code", "subcode", "reason"),
    [
        (131047, None, "window_closed"),
        (10, 2534022, "window_closed"),
        (131026, None, "undeliverable"),
        (131021, None, "own_number"),
        (131030, None, "not_allowed"),
        (131051, None, "unsupported_type"),
        (131053, None, "file_unusable"),
        (132001, None, "template_unusable"),
        (132069, None, "template_unusable"),
        (137000, None, "identity_changed"),
        (139101, None, "blocked"),
        (551, 1545041, "blocked"),
        (230, None, "no_consent"),
        (100, 2534014, "not_found"),
        (100, 2534001, "not_found"),
        (100, None, "invalid"),
        (131009, None, "invalid"),
        (139998, None, "code_139998"),
    ],
)
def test_a_refusal_has_a_short_reason_that_follows_from_the_code(code: int, subcode: int | None, reason: str) -> None:
    error = failed(code, subcode)
    assert isinstance(error, SendRefused)
    assert error.message == reason


@pytest.mark.parametrize("status", [200, 400, 401, 403, 500, 503])
def test_the_code_decides_and_not_the_status(status: int) -> None:
    assert isinstance(failed(190, status=status), CredentialsRevoked)
    assert isinstance(failed(131056, status=status), RetryLater)
    assert isinstance(failed(131047, status=status), SendRefused)
    assert isinstance(failed(131000, status=status), SendUnknown)


@pytest.mark.parametrize("code", [0, 3, 10, 102, 104, 190, 200, 299, 368, 131005, 131031, 131042, 131045])
def test_an_error_that_only_an_operator_can_fix_stops_the_account(code: int) -> None:
    assert isinstance(failed(code), CredentialsRevoked)


@pytest.mark.parametrize("code", [1, 2, 131000, 131016])
def test_a_failure_that_meta_denies_differs_from_an_answer_without_an_error(code: int) -> None:
    error, silent = failed(code, status=503), build_delivery_error(VendorResponse(503, "<html>"))
    assert isinstance(error, SendUnknown)
    assert isinstance(silent, SendUnknown)
    assert (error.denied, silent.denied) == (True, False)


@pytest.mark.parametrize("code", [4, 17, 32, 613, 80007, 130429, 131048, 131057, 131064, 133016])
def test_a_limit_of_more_than_one_person_holds_the_account(code: int) -> None:
    error = failed(code)
    assert isinstance(error, RetryLater)
    assert error.of_account
    assert error.retry_after_ms


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({}, 60_000),
        ({"retry-after": "7"}, 7_000),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 60_000),
        ({"retry-after": "²"}, 60_000),
        ({"x-business-use-case-usage": json.dumps({"1": [{"estimated_time_to_regain_access": 3}]})}, 180_000),
        ({"x-business-use-case-usage": json.dumps({"1": [{"estimated_time_to_regain_access": 0}]})}, 60_000),
        ({"x-business-use-case-usage": "nonsense"}, 60_000),
        ({"x-business-use-case-usage": "[]"}, 60_000),
        ({"x-business-use-case-usage": '{"1": [{"type": "messaging"}]}'}, 60_000),
        ({"x-business-use-case-usage": '{"1": [{"estimated_time_to_regain_access": "soon"}]}'}, 60_000),
    ],
)
def test_the_wait_is_read_from_the_headers_when_they_name_one(headers: dict[str, str], waits: int) -> None:
    assert failed(4, headers=headers).retry_after_ms == waits


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (VendorResponse(502, "<html>"), SendUnknown),
        (VendorResponse(200, "{"), SendUnknown),
        (VendorResponse(408, ""), SendUnknown),
        (VendorResponse(302, ""), SendUnknown),
        (VendorResponse(429, ""), RetryLater),
        (VendorResponse(401, ""), CredentialsRevoked),
        (VendorResponse(413, "<html>"), SendRefused),
        (VendorResponse(400, {"error": "words"}), SendRefused),
        (VendorResponse(400, {"error": {"code": "190"}}), SendRefused),
        (VendorResponse(500, {"error": {"code": None}}), SendUnknown),
        (VendorResponse(500, []), SendUnknown),
    ],
)
def test_an_answer_without_a_code_is_judged_by_its_status(reply: VendorResponse, kind: type[DeliveryError]) -> None:
    assert type(build_delivery_error(reply)) is kind


@pytest.mark.parametrize("choice", ["yes", "a|b", "|", "", "größer", "x" * 900])
def test_a_sealed_choice_opens_as_what_it_was(choice: str) -> None:
    (payload,) = seal_choices(message(choice), ACCOUNT)
    assert open_choice(payload, ACCOUNT) == ChoiceSelection(in_reply_to="m1", id=choice)


def test_a_payload_that_was_changed_or_made_elsewhere_opens_as_nothing() -> None:
    (payload,) = seal_choices(message("yes"), ACCOUNT)
    (elsewhere,) = seal_choices(message("yes"), OTHER_APP)
    (of_another,) = seal_choices(message("yes", id_="m2"), ACCOUNT)
    seal = of_another.rpartition("|")[2]
    for forged in (
        "",
        "|",
        "||",
        "ORDER",
        payload[:-1],
        payload + "x",
        f"m1|yes|{seal}",
        elsewhere,
        "m1|no|" + payload[-16:],
    ):
        assert open_choice(forged, ACCOUNT) is None


def test_choices_fit_only_with_all_their_labels_and_payloads() -> None:
    choices = [Choice(id="a", label="x" * 20), Choice(id="b", label="y")]
    assert fits_limits(choices, ["p" * 50] * 2, most=2, title=20, payload=50)
    assert not fits_limits(choices, ["p" * 50] * 2, most=1, title=20, payload=50)
    assert not fits_limits(choices, ["p" * 50] * 2, most=2, title=19, payload=50)
    assert not fits_limits(choices, ["p" * 51] * 2, most=2, title=20, payload=50)
    assert not fits_limits([], [], most=2, title=20, payload=50)


@pytest.mark.parametrize("stamp", ["", "soon", "nan", "inf", "-1e30", "1e300", "None"])
def test_a_time_that_makes_no_sense_is_now(stamp: str) -> None:
    assert parse_time(stamp, NOW) == NOW


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({}, InvalidRequest),
        ({"hub.mode": "subscribe", "hub.verify_token": "v"}, InvalidRequest),
        ({"hub.mode": "subscribe", "hub.verify_token": "w", "hub.challenge": "1"}, Unauthorized),
        ({"hub.mode": "subscribe", "hub.challenge": "1"}, Unauthorized),
    ],
)
def test_a_question_whether_the_address_is_ours_is_answered_only_in_full(
    query: dict[str, str], error: type[ParleyError]
) -> None:
    whole = {"hub.mode": "subscribe", "hub.verify_token": "v", "hub.challenge": "1"}
    assert answer_challenge(RawRequest("GET", "", {}, whole, b""), ACCOUNT) == "1"
    assert answer_challenge(RawRequest("POST", "", {}, query, b""), ACCOUNT) is None
    with pytest.raises(error):
        answer_challenge(RawRequest("GET", "", {}, query, b""), ACCOUNT)


def test_a_time_may_be_in_seconds_or_in_milliseconds() -> None:
    assert parse_time("1777887000", NOW) == parse_time("1777887000000", NOW) == NOW
