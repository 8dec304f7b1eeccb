"""WhatsApp by way of Twilio: what its fixtures cannot say in one case each."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.whatsapp.identity import build_recipient as by_meta
from connectors.whatsapp.twilio.addresses import build_recipient, parse_ids
from connectors.whatsapp.twilio.errors import REASONS, require_external_id
from connectors.whatsapp.twilio.inbound import Form, parse_form
from connectors.whatsapp.twilio.sealed_choices import open_choice as picked
from connectors.whatsapp.twilio.sealed_choices import seal_choice
from schemas import topics
from schemas.conversation import Contact
from schemas.errors import DeliveryError, InvalidRequest, SendRefused, Unauthorized
from schemas.messages import Address
from schemas.ports import AccountPolicies, RawRequest, VendorResponse
from tests.channels.fixture_cases import cases, read
from tests.channels.fixture_translation import account, calls, open_channel_at
from tests.channels.webhook_intake import parse_webhook
from tests.harness.channel_tools import NOW
from tests.simulators.twilio.signing import Signer

TWILIO = [case for way in ("inbound", "outbound") for case in cases("whatsapp", way) if case.name.startswith("twilio")]


def test_twilio_is_looked_up_and_its_pace_is_the_numbers_own() -> None:
    channel, _ = open_channel_at("whatsapp")
    assert isinstance(channel, AccountPolicies)
    policy = channel.policy_of(account("whatsapp", "twilio"))
    assert (policy.reconciliation, policy.window, policy.renders_contact) == ("lookup", timedelta(hours=24), True)
    assert account("whatsapp", "twilio").settings.pace.per_second == 75


@pytest.mark.parametrize("code", [*sorted(REASONS), 12345])
def test_a_refusal_has_a_short_reason(code: int) -> None:
    for reply in (
        VendorResponse(400, {"code": code}),
        VendorResponse(201, {"sid": "SM1", "status": "failed", "error_code": code}),
    ):
        with pytest.raises(SendRefused, match=f"^{REASONS.get(code, f'twilio_{code}')}$"):
            require_external_id(reply)


@pytest.mark.parametrize("status", [200, 201, 204, 302, 400, 401, 404, 408, 429, 500, 503])
@pytest.mark.parametrize(
    "body", [None, "", "<html>", [], {}, {"code": "21610"}, {"sid": None}, {"sid": 7}, {"code": None}]
)
def test_no_answer_is_taken_for_a_success_or_ends_in_a_bug(status: int, body: Any) -> None:
    with pytest.raises(DeliveryError):
        require_external_id(VendorResponse(status, body))


def test_a_longer_answer_is_sent_in_parts_of_1600_units() -> None:
    case = next(each for each in TWILIO if each.name == "twilio_long")
    parts = [call.arguments["Body"] for call in calls("whatsapp", case)]
    assert len(parts) > 1
    assert all(len(part.encode("utf-16-le")) // 2 <= 1600 for part in parts)


def test_the_same_message_is_rendered_the_same_twice() -> None:
    for case in TWILIO:
        if (case / "message.json").exists() and isinstance(read(case / "requests.json"), list):
            assert calls("whatsapp", case) == calls("whatsapp", case)


def test_a_body_and_all_its_variables_stay_within_what_twilio_takes() -> None:
    """1,024 characters beside choices, 20 on a button, 24 and 72 in a list, 200 behind each; none may be empty."""
    limits = {"t": 24, "i": 200, "d": 72, "b": 1024}
    for case in TWILIO:
        if "choices" in case.name and "template" not in case.name:
            for call in calls("whatsapp", case):
                values = json.loads(call.arguments.get("ContentVariables", "{}"))
                assert all(0 < len(value) <= limits[name[0]] for name, value in values.items())


# ── Choices ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_a_choice_that_was_sealed_behind_a_button_comes_back() -> None:
    settings = account("whatsapp", "twilio").settings
    made = seal_choice("message", "a:b:c", settings)
    choosing = picked(made, settings)
    assert choosing is not None
    assert (choosing.in_reply_to, choosing.id) == ("message", "a:b:c")
    altered = [made + "x", made.replace("message", "another"), made.replace("a:b:c", "refund"), made[1:], made.upper()]
    strange = ["", ":", "::", "a", "a:b", "a:b:", ":b:c", '{"a": 1}', "ä:ö:ü", "a:\udc80:c"]
    assert [picked(text, settings) for text in [*altered, *strange]] == [None] * 15


def test_a_button_of_another_account_is_none_of_ours() -> None:
    ours, theirs = (account("whatsapp", name).settings for name in ("twilio", "twilio_keys"))
    assert picked(seal_choice("message", "yes", theirs), ours) is None


# ── Who is who ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (["whatsapp:AT.134912", "whatsapp:+491510000001", "491510000001"], ["AT.134912", "491510000001"]),
        (["", "whatsapp:+491510000001", ""], ["491510000001"]),
        (["whatsapp:US.ENT.1181", "whatsapp:US.ENT.1181", ""], ["US.ENT.1181"]),
        (["whatsapp:at.134912", "whatsapp:+12", "x"], []),
        (["whatsapp:AT.1349\n", "whatsapp:AT." + "1" * 129, "٤٩١٥١٠٠٠"], []),
    ],
)
def test_user_ids_come_before_numbers_and_what_is_neither_is_left_out(told: list[str], found: list[str]) -> None:
    assert parse_ids(*told) == found


@pytest.mark.parametrize(
    ("place", "known", "expected"),
    [
        ("491510000001", [], "whatsapp:+491510000001"),
        ("AT.134912", [], "whatsapp:AT.134912"),
        ("AT.134912", ["AT.134912", "491510000001", "491510000002"], "whatsapp:+491510000002"),
        ("491510000001", ["AT.134912", "491510000001"], "whatsapp:+491510000001"),
    ],
)
def test_a_message_goes_to_the_number_where_one_is_known(place: str, known: list[str], expected: str) -> None:
    addresses = [Address(channel="whatsapp", value=value) for value in known]
    addresses.append(Address(channel="slack", value="491519999999"))
    assert build_recipient(place, Contact(id="c", tenant="shop", addresses=addresses, created_at=NOW)) == expected
    assert build_recipient(place, None) == f"whatsapp:{'+' if place.isdigit() else ''}{place}"


def test_nothing_goes_to_a_number_that_the_contact_has_left() -> None:
    left = [Address(channel="whatsapp", value="491511")]
    user, number = (Address(channel="whatsapp", value=value) for value in ("DE.user1", "491522"))
    moved = Contact(id="c", tenant="shop", addresses=[user, number], left=left, created_at=NOW)
    assert build_recipient("491511", moved) == "whatsapp:+491522"
    assert by_meta("491511", moved.model_copy(update={"addresses": [number]})) == {"to": "491522"}
    for ask in (build_recipient, by_meta):
        with pytest.raises(SendRefused, match="address_left"):
            ask("491511", moved.model_copy(update={"addresses": []}))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([], "MessageSid is missing"),
        ([("MessageSid", "")], "MessageSid is missing"),
        ([("MessageSid", "SM1")], "MessageSid must be two capital letters and 32 hexadecimal digits"),
        ([("MessageSid", "sm" + "0" * 32)], "MessageSid must be two capital letters and 32 hexadecimal digits"),
    ],
)
def test_a_wrong_message_id_is_not_called_missing(given: list[tuple[str, str]], problem: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{problem}$"):
        parse_form(given, account("whatsapp", "twilio"), "", NOW)


# ── Whatever comes ───────────────────────────────────────────────────────────────────────────────────────────────────

NAMES = [str(field.alias) for name, field in Form.model_fields.items() if name != "status"]
NAMES += ["MediaUrl0", "MediaUrl1", "MediaContentType0", "Unknown"]
VALUES = st.one_of(
    st.text(max_size=40), st.sampled_from(["nan", "-1e999", "90", "٣", "whatsapp:+491510000001", "STOP"])
)
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=12)
RAW = st.binary(max_size=40)


@given(pairs=PAIRS, raw=RAW, is_status=st.booleans())
def test_every_signed_form_becomes_events_that_fit_their_types(
    pairs: list[tuple[str, str]], raw: bytes, is_status: bool
) -> None:
    known = account("whatsapp", "twilio")
    ends = [known.settings.from_, "whatsapp:+491510000001"]
    theirs, ours = ("To", "From") if is_status else ("From", "To")
    usual = [("AccountSid", known.settings.account_sid), ("MessageSid", "SM" + "0" * 32)]
    usual += [(ours, ends[0]), (theirs, ends[1]), *([("MessageStatus", "read")] if is_status else [])]
    body = urlencode([*usual, *(pair for pair in pairs if pair[0] != "AccountSid")]).encode() + b"&" + raw
    read = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, errors="replace")
    headers = Signer(known.settings.auth_token.get_secret_value()).headers("https://x.example/", read)
    request = RawRequest("POST", "https://x.example/", {k.lower(): v for k, v in headers.items()}, {}, body)
    channel, _ = open_channel_at("whatsapp")
    if {value for name, value in read if name == "AccountSid"} == {known.settings.account_sid}:
        channel.verify(request, known)
    (event,) = parse_webhook(channel, request, known)
    payload = {"sent_at": NOW, **event.payload, "id": "i", "place": event.place, "contact_id": "c"}
    model = topics.EVENT_TYPES[event.type][0]
    assert model.model_validate({"external_id": event.external_id, **payload}).model_dump_json()


@given(RAW, st.text(max_size=40), st.text(max_size=40))
def test_no_unsigned_request_gets_in_or_ends_in_a_bug(body: bytes, url: str, signature: str) -> None:
    channel, _ = open_channel_at("whatsapp")
    request = RawRequest("POST", url, {"x-twilio-signature": signature}, {}, body)
    with pytest.raises(Unauthorized):
        channel.verify(request, account("whatsapp", "twilio"))
