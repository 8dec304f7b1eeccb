"""Kafka and Redis as an operator runs them in earnest: encrypted, and with passwords."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.deploy.local_kafka import LocalKafka
from infra.deploy.local_redis import LocalRedis
from infra.deploy.process import answers, free_port

USER, PASSWORD = "parley", "a password with = and ; in it"


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority's certificate, and the server's key and certificate for 127.0.0.1."""

    ca: Path
    key: Path
    certificate: Path

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        folder.mkdir(parents=True, exist_ok=True)
        authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = _signed("Test authority", authority.public_key(), "Test authority", authority, authority=True)
        leaf = _signed("127.0.0.1", server.public_key(), "Test authority", authority, authority=False)
        made = cls(folder / "ca.pem", folder / "server.key", folder / "server.pem")
        made.ca.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        made.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        made.key.write_bytes(
            server.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return made


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
    """A broker with a second listener, ``secured``, that asks for TLS and a password (SASL PLAIN)."""

    def __init__(self, certificates: Certificates) -> None:
        super().__init__()
        self.secured_port = free_port()
        store = self.home / "server.pem"
        store.write_bytes(certificates.key.read_bytes() + certificates.certificate.read_bytes())
        listener = f"SECURED://127.0.0.1:{self.secured_port}"
        config = self.home / "server.properties"
        text = config.read_text()
        for name in ("listeners", "advertised.listeners"):
            text = text.replace(f"\n{name}=", f"\n{name}={listener},")
        text = text.replace("protocol.map=", "protocol.map=SECURED:SASL_SSL,")
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        config.write_text(
            f"{text}\n"
            f"sasl.enabled.mechanisms=PLAIN\n"
            f"listener.name.secured.ssl.keystore.type=PEM\n"
            f"listener.name.secured.ssl.keystore.location={store}\n"
            f'listener.name.secured.plain.sasl.jaas.config={module} required user_{USER}="{PASSWORD}";\n'
        )

    @property
    def secured(self) -> str:
        return f"127.0.0.1:{self.secured_port}"


class SecuredRedis(LocalRedis):
    """A server that listens with TLS only and asks for a password."""

    def __init__(self, certificates: Certificates) -> None:
        super().__init__()
        self._certificates = certificates

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.port}/0"

    def _command(self) -> list[str]:
        plain = super()._command()
        at = plain.index("--port")
        return [
            *plain[:at], "--port", "0", "--tls-port", str(self.port), *plain[at + 2 :],
            "--tls-cert-file", str(self._certificates.certificate), "--tls-key-file", str(self._certificates.key),
            "--tls-ca-cert-file", str(self._certificates.ca), "--tls-auth-clients", "no", "--requirepass", PASSWORD,
        ]  # fmt: skip

    def _is_ready(self) -> bool:
        if not answers(self.port):
            return False
        context = ssl.create_default_context(cafile=str(self._certificates.ca))
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=2) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as connection,
        ):
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"-NOAUTH")
