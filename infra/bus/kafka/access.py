"""Access to the brokers: encryption and credentials, the same for every client of a process."""

from __future__ import annotations

import functools
import ssl
from dataclasses import dataclass, field
from typing import Any

from infra.bus.kafka.bearer_tokens import BearerTokens
from schemas.errors import ConfigInvalid


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """The ``kafka`` section of the configuration, field by field. With ``token_url``, ``username`` and ``password`` are
    the client's credentials at that endpoint. ``replication_factor`` and ``min_insync_replicas`` apply to topics that
    are created; 0 derives them from the number of brokers."""

    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "SCRAM-SHA-512"
    username: str = ""
    password: str = field(default="", repr=False)
    token_url: str = ""
    token_scope: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    replication_factor: int = 0
    min_insync_replicas: int = 0

    def client(self) -> dict[str, Any]:
        """Settings for every kind of client. Raises ConfigInvalid for certificate files that cannot be read."""
        settings: dict[str, Any] = {"security_protocol": self.security_protocol}
        if self.security_protocol.endswith("SSL"):
            settings["ssl_context"] = _encryption(self.ca_file, self.cert_file, self.key_file)
        if self.token_url:
            tokens = _open_tokens(self.token_url, self.username, self.password, self.token_scope)
            settings |= {"sasl_mechanism": self.sasl_mechanism, "sasl_oauth_token_provider": tokens}
        elif self.security_protocol.startswith("SASL"):
            settings |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return settings


@functools.cache
def _open_tokens(url: str, client_id: str, client_secret: str, scope: str) -> BearerTokens:
    return BearerTokens(url, client_id, client_secret, scope)


@functools.cache
def _encryption(ca_file: str, cert_file: str, key_file: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
        if cert_file:
            context.load_cert_chain(cert_file, key_file)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(name for name in (ca_file, cert_file, key_file) if name)
        raise ConfigInvalid(
            f"kafka: the certificates cannot be used ({files}): {error.strerror or error}",
            fix="check `kafka.ca_file`, `kafka.cert_file` and `kafka.key_file`: PEM files that this process may read",
        ) from error
    return context


OPEN = KafkaAccess()
"""Brokers without encryption and credentials."""
