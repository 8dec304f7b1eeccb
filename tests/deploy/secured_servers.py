"""Kafka and Redis as an operator runs them in earnest: encrypted, and with passwords."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_plus

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import RSAKey

from infra.deploy.local_kafka import LocalKafka
from infra.deploy.local_redis import LocalRedis, fetch
from infra.deploy.process import LocalServer, answers, free_port

USER, PASSWORD = "parley", "a password with = and ; in it"
USER_PASSWORD = "another-password"
SENTINEL_PASSWORD = "a-password-of-sentinels"
AUDIENCE, ISSUER = "kafka", "https://identity.example"
RIGHTS = "~secured.parley* &secured.parley* +@all -@admin -@dangerous +info +config|get +bgrewriteaof"
"""Of the user in Redis."""


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority's certificate, and the keys and certificates of the server (127.0.0.1) and a client."""

    ca: Path
    key: Path
    certificate: Path
    client_key: Path
    client_certificate: Path

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        folder.mkdir(parents=True, exist_ok=True)
        authority = ec.generate_private_key(ec.SECP256R1())
        root = _signed("Test authority", authority.public_key(), "Test authority", authority, authority=True)
        (folder / "ca.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
        pairs = [
            _write_pair(folder, file, name, authority) for file, name in (("server", "127.0.0.1"), ("client", USER))
        ]
        return cls(folder / "ca.pem", *pairs[0], *pairs[1])


def _write_pair(folder: Path, file: str, name: str, authority: ec.EllipticCurvePrivateKey) -> tuple[Path, Path]:
    """The files of a new key and its certificate."""
    private = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(name, private.public_key(), "Test authority", authority, authority=False)
    key_file, certificate_file = folder / f"{file}.key", folder / f"{file}.pem"
    key_file.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return key_file, certificate_file


def _signed(
    name: str,
    public: ec.EllipticCurvePublicKey,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    authority: bool,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    if authority:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    else:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256())


class SecuredKafka(LocalKafka):
    """A broker with three more listeners, all with TLS: ``secured`` asks for a password (SASL PLAIN), ``mutual`` for a
    client's certificate, ``oauth`` for an access token (SASL OAUTHBEARER) that is signed with a key of ``keys``."""

    def __init__(self, certificates: Certificates, keys: Path) -> None:
        super().__init__()
        self._keys = keys.as_uri()
        self._ports = {name: free_port() for name in ("secured", "mutual", "oauth")}
        store = self.home / "server.pem"
        store.write_bytes(certificates.key.read_bytes() + certificates.certificate.read_bytes())
        listeners = ",".join(f"{name.upper()}://127.0.0.1:{port}" for name, port in self._ports.items())
        config = self.home / "server.properties"
        text = config.read_text()
        for name in ("listeners", "advertised.listeners"):
            text = text.replace(f"\n{name}=", f"\n{name}={listeners},")
        text = text.replace("protocol.map=", "protocol.map=SECURED:SASL_SSL,MUTUAL:SSL,OAUTH:SASL_SSL,")
        stores = "".join(
            f"listener.name.{name}.ssl.keystore.type=PEM\nlistener.name.{name}.ssl.keystore.location={store}\n"
            for name in self._ports
        )
        security = "org.apache.kafka.common.security"
        oauth, bearer = "listener.name.oauth", f"{security}.oauthbearer"
        config.write_text(
            f"{text}\n{stores}"
            f"listener.name.secured.sasl.enabled.mechanisms=PLAIN\n"
            f"listener.name.secured.plain.sasl.jaas.config={security}.plain.PlainLoginModule required "
            f'user_{USER}="{PASSWORD}";\n'
            f"listener.name.mutual.ssl.client.auth=required\n"
            f"listener.name.mutual.ssl.truststore.type=PEM\n"
            f"listener.name.mutual.ssl.truststore.location={certificates.ca}\n"
            f"{oauth}.sasl.enabled.mechanisms=OAUTHBEARER\n"
            f"{oauth}.oauthbearer.sasl.jaas.config={bearer}.OAuthBearerLoginModule required;\n"
            f"{oauth}.oauthbearer.sasl.server.callback.handler.class={bearer}.OAuthBearerValidatorCallbackHandler\n"
            f"{oauth}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url={self._keys}\n"
            f"{oauth}.oauthbearer.sasl.oauthbearer.expected.audience={AUDIENCE}\n"
            f"{oauth}.oauthbearer.sasl.oauthbearer.expected.issuer={ISSUER}\n"
            # A connection has to log in again when its token expires.
            f"{oauth}.oauthbearer.connections.max.reauth.ms=3600000\n"
        )

    def _command(self) -> list[str]:
        java, *rest = super()._command()
        return [java, f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self._keys}", *rest]

    def address(self, listener: str) -> str:
        return f"127.0.0.1:{self._ports[listener]}"

    @property
    def secured(self) -> str:
        return self.address("secured")


class TokenEndpoint:
    """Issues access tokens to one client, valid for ``lifetime`` seconds. ``keys``: the file with its public keys."""

    def __init__(self, folder: Path) -> None:
        self._key = RSAKey.generate_key(2048, {"kid": "1", "alg": "RS256", "use": "sig"})
        self.keys = folder / "jwks.json"
        self.keys.write_text(json.dumps({"keys": [self._key.as_dict(private=False)]}))
        self.lifetime = 3600
        self.requests: list[dict[str, str]] = []

    async def _issue(self, request: web.Request) -> web.Response:
        self.requests.append({str(name): str(value) for name, value in (await request.post()).items()})
        given = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        if [unquote_plus(each) for each in given.split(":")] != [USER, PASSWORD]:
            return web.json_response({"error": "invalid_client"}, status=401)
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": USER, "aud": AUDIENCE, "iat": now, "exp": now + self.lifetime, "scope": "kafka"}
        token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self._key)
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address."""
        app = web.Application()
        app.router.add_post("/token", self._issue)
        runner = web.AppRunner(app)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield f"http://127.0.0.1:{port}/token"
        finally:
            await runner.cleanup()


class SecuredRedis(LocalRedis):
    """A server that listens with TLS only and asks for a password. With ``mutual`` it also asks for a client's
    certificate, and there is a user with the rights that the documentation names and no more."""

    def __init__(self, certificates: Certificates, *, mutual: bool = False) -> None:
        super().__init__()
        self._certificates = certificates
        self._mutual = mutual

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.port}/0"

    def _command(self) -> list[str]:
        plain = super()._command()
        at = plain.index("--port")
        return [
            *plain[:at], "--port", "0", "--tls-port", str(self.port), *plain[at + 2 :],
            "--tls-cert-file", str(self._certificates.certificate), "--tls-key-file", str(self._certificates.key),
            "--tls-ca-cert-file", str(self._certificates.ca), "--requirepass", PASSWORD,
            "--tls-auth-clients", "yes" if self._mutual else "no",
            *(["--user", USER, "on", f">{USER_PASSWORD}", *RIGHTS.split()] if self._mutual else []),
        ]  # fmt: skip

    def _is_ready(self) -> bool:
        if not answers(self.port):
            return False
        context = ssl.create_default_context(cafile=str(self._certificates.ca))
        context.load_cert_chain(self._certificates.client_certificate, self._certificates.client_key)
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=2) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as connection,
        ):
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"-NOAUTH")


class SecuredCluster(SecuredRedis):
    """A cluster of one such node."""

    @property
    def url(self) -> str:
        return f"rediss+cluster://127.0.0.1:{self.port}"

    def _command(self) -> list[str]:
        return [
            *super()._command(),
            *("--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--tls-cluster", "yes"),
            *("--tls-replication", "yes"),
        ]


class SecuredSentinel(LocalServer):
    """A Sentinel that watches a ``SecuredRedis``, listens with TLS only and asks for a password of its own."""

    name = "sentinel"

    def __init__(self, certificates: Certificates, primary: SecuredRedis) -> None:
        super().__init__()
        self._binary = fetch()
        self._certificates = certificates
        self.port = free_port()
        self._config = self.home / "sentinel.conf"
        lines = (
            "port 0",
            f"tls-port {self.port}",
            "tls-replication yes",
            "tls-auth-clients no",
            f"tls-cert-file {certificates.certificate}",
            f"tls-key-file {certificates.key}",
            f"tls-ca-cert-file {certificates.ca}",
            "bind 127.0.0.1",
            f"dir {self.home}",
            f"requirepass {SENTINEL_PASSWORD}",
            f"sentinel monitor secured 127.0.0.1 {primary.port} 1",
            f'sentinel auth-pass secured "{PASSWORD}"',
        )
        self._config.write_text("\n".join(lines) + "\n")

    @property
    def url(self) -> str:
        return f"rediss+sentinel://127.0.0.1:{self.port}/secured/0"

    def _command(self) -> list[str]:
        return [self._binary, str(self._config), "--sentinel"]

    def _is_ready(self) -> bool:
        return answers(self.port)
