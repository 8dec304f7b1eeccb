"""Credentials, options and addresses: what is accepted, and what is refused with a fix and without a secret."""

from __future__ import annotations

import pytest

from schemas.errors import Forbidden, InvalidRequest, Unauthorized, Unavailable
from tests.platforms.drive.items import FOLDER, SPREADSHEET
from tests.platforms.drive.server_state import Fault
from tests.platforms.drive.workspace import ACCOUNT, OWNER, DriveWorkspace
from tests.unit.sources.drive.publisher import Publisher


async def test_a_refresh_token_reads_as_its_user_and_a_revoked_one_says_what_to_do(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    folder = workspace.items.add("Mine", FOLDER, shared_with=frozenset({OWNER}))
    workspace.document("D", "Text of the owner.", folder)
    token = workspace.server.tokens.add_grant(OWNER, "client", "hush-secret")
    oauth = {"client_id": "client", "client_secret": "hush-secret", "refresh_token": token}
    publisher.location, publisher.options = f"drive://{folder}", {**workspace.addresses, **oauth}
    await publisher.sync()
    assert publisher.bodies() == "Text of the owner."
    workspace.server.tokens.grants[token].is_revoked = True
    with pytest.raises(Unauthorized) as error:
        await publisher.sync()
    assert "invalid_grant" in error.value.message
    assert token not in error.value.message + error.value.fix


async def test_a_service_account_with_delegation_reads_in_the_name_of_a_user(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    folder = workspace.items.add("Mine", FOLDER, shared_with=frozenset({OWNER}))
    workspace.document("D", "Text of the owner.", folder)
    publisher.location, publisher.options = f"drive://{folder}", workspace.options(subject=OWNER)
    with pytest.raises(Unauthorized, match="unauthorized_client"):
        await publisher.sync()
    workspace.account.delegates.add(OWNER)
    await publisher.sync()
    assert publisher.bodies() == "Text of the owner."


async def test_a_key_of_another_account_is_refused_by_its_signature(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    other = workspace.server.tokens.add_service_account("other@shop.iam.gserviceaccount.com")
    other.email = ACCOUNT
    publisher.options["service_account"] = other.key_file(f"{workspace.server.url}/token")
    with pytest.raises(Unauthorized, match="invalid_grant"):
        await publisher.sync()


async def test_an_outage_of_the_token_endpoint_is_retried(workspace: DriveWorkspace, publisher: Publisher) -> None:
    workspace.document("D", "Text.", workspace.root)
    workspace.server.faults.next("token", Fault(0))
    await publisher.sync()
    assert publisher.bodies() == "Text."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no credentials"),
        ({"service_account": "{}", "depth": 2}, "no option 'depth'"),
        ({"service_account": "{}", "relist_hours": "hush-secret"}, "relist_hours"),
        ({"service_account": "{}", "client_id": "a", "client_secret": "b", "refresh_token": "c"}, "two kinds"),
        ({"client_id": "a", "client_secret": "hush-secret"}, "no credentials"),
        ({"service_account": "hush-secret"}, "not the JSON key"),
        ({"service_account": '{"type": "hush-secret"}'}, "not the JSON key"),
        (
            {"service_account": '{"token_uri": "https://a.googleapis.com", "private_key": "hush-secret"}'},
            "not the JSON",
        ),
    ],
)
async def test_wrong_options_are_refused_with_a_fix_and_without_their_values(
    publisher: Publisher, options: dict[str, object], message: str
) -> None:
    publisher.options = options
    with pytest.raises(InvalidRequest, match=message) as error:
        await publisher.sync()
    assert error.value.fix
    assert "hush-secret" not in error.value.message + error.value.fix + repr(error.value.__context__)


@pytest.mark.parametrize(
    "location", ["drive://", "drive://a b", "drive://../../x", "drive://1abc/def", "drive://x?q=1"]
)
async def test_a_location_is_the_id_of_a_folder(publisher: Publisher, location: str) -> None:
    publisher.location = location
    with pytest.raises(InvalidRequest, match="not a folder of Drive"):
        await publisher.sync()


async def test_no_host_but_googles_and_the_allowed_ones_is_asked(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    for url in (
        "https://googleapis.com.example/",
        "http://www.googleapis.com",
        "https://example.com",
        "file:///etc",
        "x",
    ):
        publisher.options = workspace.options(api_url=url, private_hosts=[])
        with pytest.raises(Forbidden, match="not a host of Google"):
            await publisher.sync()
    publisher.options = workspace.options()
    publisher.options["service_account"] = workspace.account.key_file("http://169.254.169.254/token")
    with pytest.raises(Forbidden, match="not a host of Google"):
        await publisher.sync()
    assert workspace.server.count().total() == 0


async def test_a_redirect_is_not_followed(workspace: DriveWorkspace, publisher: Publisher) -> None:
    workspace.document("D", "Text.", workspace.root)
    there = Fault(302, "", {"Location": f"{workspace.server.url}/drive/v3/files"})
    workspace.server.faults.next("files.get", *[there] * 8)
    with pytest.raises(Unavailable, match="302"):
        await publisher.sync()
    assert workspace.server.count()["files.list"] == 0


async def test_no_secret_is_in_the_memory_or_in_what_is_published(
    workspace: DriveWorkspace, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    workspace.fill(3, workspace.root, folders=0)
    workspace.items.add("Sheet", SPREADSHEET, workspace.root)
    outcome = await publisher.sync()
    (token,) = workspace.server.tokens.issued
    private_key = str(publisher.options["service_account"]).split("\\n")[1]
    told = publisher.saved.memory + repr(publisher.published) + repr(outcome) + caplog.text
    assert token not in told
    assert private_key not in told
