"""Encrypted servers with passwords: a whole installation runs on them, and who is not let in is told why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from redis.asyncio import Redis

from infra.bus.kafka import KafkaAccess, KafkaBus, KafkaProfile
from infra.bus.kafka.bearer_tokens import BearerTokens
from infra.state.redis import probe
from infra.state.redis.engine import open_redis_state
from infra.state.redis.settings import RedisSettings
from schemas.errors import BusUnavailable, ConfigInvalid, StateUnavailable
from tests.contracts.state.port_calls import set_up, wait_until_it_succeeds
from tests.deploy.secured_servers import (
    PASSWORD,
    SENTINEL_PASSWORD,
    USER,
    USER_PASSWORD,
    Certificates,
    SecuredCluster,
    SecuredKafka,
    SecuredRedis,
    SecuredSentinel,
    TokenEndpoint,
)
from tests.harness.chat_client import Contact
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.processes import ForkServer

pytestmark = pytest.mark.scaled
HASTY = KafkaProfile(start_deadline=1.0)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> TokenEndpoint:
    return TokenEndpoint(tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="module")
async def kafka(certificates: Certificates, tokens: TokenEndpoint) -> AsyncIterator[SecuredKafka]:
    with SecuredKafka(certificates, tokens.keys) as broker:
        yield broker


@pytest.fixture(scope="module")
async def mutual_redis(certificates: Certificates) -> AsyncIterator[SecuredRedis]:
    with SecuredRedis(certificates, mutual=True) as server:
        yield server


@pytest.fixture(scope="module")
async def redis(certificates: Certificates) -> AsyncIterator[SecuredRedis]:
    with SecuredRedis(certificates) as server:
        yield server


async def check_answers(made: Installation, **sections: dict[str, Any]) -> dict[str, Any]:
    """Start it with these sections, ask a question, and look at what doctor finds, by check. No secret is shown."""
    made.config.write_text(yaml.safe_dump(yaml.safe_load(made.config.read_text()) | sections))
    await made.prepare()
    await made.start()
    await made.put_documents()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        contact = Contact(made.base, http, "ann")
        await contact.open()
        said = await contact.say(QUESTIONS[0])
        assert "heat pack" in (await contact.answered(said.message_id))["text"]
    status, output = await made.command("doctor", "--json")
    shown = output + (await made.run("config", "show")) + "".join(each.log.read_text() for each in made.roles.values())
    assert PASSWORD not in shown
    assert USER_PASSWORD not in shown
    await made.stop()
    assert status == 1, "a single broker keeps offsets too short; doctor says so"
    return {finding["check"]: finding for finding in json.loads(output)["findings"]}


async def test_a_whole_installation_answers_over_encrypted_connections_with_passwords(
    fork_server: ForkServer, tmp_path: Path, kafka: SecuredKafka, redis: SecuredRedis, certificates: Certificates
) -> None:
    secret = tmp_path / "kafka-password"
    secret.write_text(PASSWORD)
    log_in: dict[str, Any] = {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "username": USER,
        "password": f"file:{secret}",
        "ca_file": str(certificates.ca),
    }
    made = Installation.make(fork_server, tmp_path, kafka=kafka.secured, redis=redis.url, prefix="secured.")
    found = await check_answers(made, kafka=log_in, redis={"password": PASSWORD, "ca_file": str(certificates.ca)})
    assert found["kafka"]["status"] == found["redis"]["status"] == "ok", found
    assert found["kafka topics"]["status"] == "ok"


async def test_a_whole_installation_answers_with_access_tokens_and_a_redis_user_of_few_rights(
    fork_server: ForkServer,
    tmp_path: Path,
    kafka: SecuredKafka,
    mutual_redis: SecuredRedis,
    certificates: Certificates,
    tokens: TokenEndpoint,
) -> None:
    made = Installation.make(
        fork_server, tmp_path, kafka=kafka.address("oauth"), redis=mutual_redis.url, prefix="secured."
    )
    async with tokens.serving() as url:
        found = await check_answers(
            made,
            kafka={
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "OAUTHBEARER",
                "username": USER,
                "password": PASSWORD,
                "token_url": url,
                "token_scope": "kafka",
                "ca_file": str(certificates.ca),
            },
            redis={"username": USER, "password": USER_PASSWORD, **client_files(certificates)},
        )
    assert found["kafka"]["status"] == found["redis"]["status"] == "ok", found
    assert tokens.requests[0] == {"grant_type": "client_credentials", "scope": "kafka"}


def client_files(certificates: Certificates) -> dict[str, str]:
    return {
        "ca_file": str(certificates.ca),
        "cert_file": str(certificates.client_certificate),
        "key_file": str(certificates.client_key),
    }


async def test_a_client_certificate_alone_opens_a_listener_that_asks_for_one(
    kafka: SecuredKafka, certificates: Certificates
) -> None:
    stranger = KafkaAccess(security_protocol="SSL", ca_file=str(certificates.ca))
    known = replace(stranger, cert_file=str(certificates.client_certificate), key_file=str(certificates.client_key))
    bus = KafkaBus(kafka.address("mutual"), access=known)
    await bus.start()
    await bus.close()
    bus = KafkaBus(kafka.address("mutual"), access=stranger, profile=HASTY)
    with pytest.raises(BusUnavailable, match="closes our connections") as caught:
        await bus.start()
    assert "kafka.cert_file" in caught.value.fix
    await bus.close()


async def test_a_token_is_used_again_until_most_of_its_lifetime_is_over(tokens: TokenEndpoint) -> None:
    async with tokens.serving() as url:
        before = len(tokens.requests)
        provider = BearerTokens(url, USER, PASSWORD, "")
        first = await asyncio.gather(*(provider.token() for _ in range(20)))
        assert len(set(first)) == 1
        assert tokens.requests[before:] == [{"grant_type": "client_credentials"}]
        tokens.lifetime = 1
        short = BearerTokens(url, USER, PASSWORD, "")
        await short.token()
        async with asyncio.timeout(10):
            while len(tokens.requests) < before + 3:
                await short.token()
                await asyncio.sleep(0.01)
        tokens.lifetime = 3600


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"password": "wrong"}, "HTTP 401"), ({"token_url": "http://127.0.0.1:9/token"}, "cannot be reached")],
)
async def test_an_endpoint_that_gives_no_token_is_reported_with_the_reason(
    kafka: SecuredKafka, certificates: Certificates, tokens: TokenEndpoint, changes: dict[str, str], message: str
) -> None:
    async with tokens.serving() as url:
        access = access_of(certificates, **({"sasl_mechanism": "OAUTHBEARER", "token_url": url} | changes))
        bus = KafkaBus(kafka.address("oauth"), access=access, profile=HASTY)
        with pytest.raises(BusUnavailable, match=message) as caught:
            await bus.start()
        assert "kafka.token_url" in caught.value.fix
        assert PASSWORD not in repr(caught.value)
        await bus.close()


def access_of(certificates: Certificates, **changes: str) -> KafkaAccess:
    settings = {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "username": USER,
        "password": PASSWORD,
        "ca_file": str(certificates.ca),
    }
    return KafkaAccess(**(settings | changes))  # type: ignore[arg-type]


async def test_sentinels_and_their_primary_have_logins_of_their_own_and_both_encrypt(
    mutual_redis: SecuredRedis, certificates: Certificates
) -> None:
    """With the rights that the documentation names, and no more."""
    login = {
        "username": USER,
        "password": USER_PASSWORD,
        "ca_file": str(certificates.ca),
        "cert_file": str(certificates.client_certificate),
        "key_file": str(certificates.client_key),
    }
    prefix = "secured.parley-sentinel"
    with SecuredSentinel(certificates, mutual_redis) as sentinel:
        access = RedisSettings.model_validate(login | {"sentinel_password": SENTINEL_PASSWORD})
        state = await open_redis_state(sentinel.url, prefix=prefix, access=access)
        await set_up(state)
        await state.check_ready()
        await state.signals.publish("typing", b"heard by nobody")
        await state.close()
        stranger = await open_redis_state(sentinel.url, prefix=prefix, access=RedisSettings.model_validate(login))
        with pytest.raises(StateUnavailable, match="Sentinel") as caught:
            await stranger.check_ready()
        assert "redis.sentinel_password" in caught.value.fix
        (primary, *_) = await probe.probe(sentinel.url, access=RedisSettings.model_validate(login))
        assert primary.detail == "unknown: the Sentinels refuse the login"
        await stranger.close()


async def test_the_nodes_of_a_cluster_are_asked_and_used_with_tls_and_few_rights(certificates: Certificates) -> None:
    login = {
        "username": USER,
        "password": USER_PASSWORD,
        "ca_file": str(certificates.ca),
        "cert_file": str(certificates.client_certificate),
        "key_file": str(certificates.client_key),
    }
    with SecuredCluster(certificates, mutual=True) as cluster:
        async with Redis.from_url(
            f"rediss://127.0.0.1:{cluster.port}",
            password=PASSWORD,
            ssl_ca_certs=login["ca_file"],
            ssl_certfile=login["cert_file"],
            ssl_keyfile=login["key_file"],
        ) as operator:
            await operator.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)  # type: ignore[no-untyped-call]
        access = RedisSettings.model_validate(login)
        state = await open_redis_state(cluster.url, prefix="secured.parley-cluster", access=access)
        await wait_until_it_succeeds(lambda: set_up(state))
        await state.check_ready()
        await state.signals.publish("typing", b"heard by nobody")
        await state.close()
        for changes, message in (
            ({"password": "wrong"}, "refuses our credentials"),
            ({"ca_file": ""}, "certificate of Redis is not trusted"),
        ):
            stranger = await open_redis_state(cluster.url, access=RedisSettings.model_validate(login | changes))
            with pytest.raises(StateUnavailable, match=message):
                await stranger.check_ready()
            await stranger.close()


@pytest.mark.parametrize(
    ("changes", "message", "fix"),
    [
        ({"password": "wrong"}, "refuses our credentials", "kafka.password"),
        ({"sasl_mechanism": "SCRAM-SHA-512"}, "login mechanism", "kafka.sasl_mechanism"),
        ({"ca_file": ""}, "certificate is not trusted", "kafka.ca_file"),
        ({"security_protocol": "PLAINTEXT"}, "closes our connections", "kafka.security_protocol"),
    ],
)
async def test_a_broker_that_does_not_let_us_in_is_reported_with_the_reason(
    kafka: SecuredKafka, certificates: Certificates, changes: dict[str, str], message: str, fix: str
) -> None:
    bus = KafkaBus(kafka.secured, access=access_of(certificates, **changes), profile=HASTY)
    with pytest.raises(BusUnavailable, match=message) as caught:
        await bus.start()
    assert fix in caught.value.fix
    assert PASSWORD not in repr(caught.value)
    await bus.close()


async def test_a_redis_that_asks_for_a_client_certificate_says_so(
    mutual_redis: SecuredRedis, certificates: Certificates
) -> None:
    access = RedisSettings.model_validate({"password": PASSWORD, "ca_file": str(certificates.ca)})
    state = await open_redis_state(mutual_redis.url, access=access)
    with pytest.raises(StateUnavailable, match="cannot be reached") as caught:
        await asyncio.wait_for(state.turns.list_newest("c"), 30)
    assert "redis.cert_file" in caught.value.fix
    await state.close()


@pytest.mark.parametrize(
    ("changes", "message", "fix"),
    [
        ({"password": "wrong"}, "refuses our credentials", "redis.password"),
        ({"password": ""}, "refuses our credentials", "redis.password"),
        ({"ca_file": ""}, "certificate of Redis is not trusted", "redis.ca_file"),
    ],
)
async def test_a_redis_that_does_not_let_us_in_is_reported_with_the_reason(
    redis: SecuredRedis, certificates: Certificates, changes: dict[str, str], message: str, fix: str
) -> None:
    access = RedisSettings.model_validate({"password": PASSWORD, "ca_file": str(certificates.ca)} | changes)
    state = await open_redis_state(redis.url, access=access)
    with pytest.raises(StateUnavailable, match=message) as caught:
        await asyncio.wait_for(state.turns.list_newest("c"), 30)
    assert fix in caught.value.fix
    await state.close()


def test_certificates_that_cannot_be_read_are_the_operators_fault(tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    with pytest.raises(ConfigInvalid, match=r"certificates cannot be used .*ca\.pem"):
        KafkaBus("127.0.0.1:9", access=KafkaAccess(security_protocol="SSL", ca_file=str(broken)))
    broken.write_text("not a certificate")
    with pytest.raises(ConfigInvalid, match="certificates cannot be used"):
        KafkaBus("127.0.0.1:9", access=KafkaAccess(security_protocol="SSL", ca_file=f"{broken}"))
    with pytest.raises(ConfigInvalid, match="no file"):
        RedisSettings(ca_file="/nowhere/ca.pem").client_settings("rediss://127.0.0.1/0")
    with pytest.raises(ConfigInvalid, match="needs encryption"):
        RedisSettings(ca_file="/nowhere/ca.pem").client_settings("redis://127.0.0.1/0")
    with pytest.raises(ConfigInvalid, match="go together"):
        RedisSettings(cert_file="/nowhere/client.pem").client_settings("rediss://127.0.0.1/0")
