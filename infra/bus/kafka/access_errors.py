"""Find out why no broker accepts our connection. The client only logs the reason and keeps trying; an operator should
read it in the error."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from infra.bus.kafka.bearer_tokens import TokenRefused

_PROTOCOL = "set `kafka.security_protocol` to the protocol of this listener of the broker"
_CERTIFICATE = ", and `kafka.cert_file` and `kafka.key_file` if it asks for a client's certificate"
_PATIENCE = 5.0


async def explain_refusal(bootstrap: str, access: Mapping[str, Any]) -> tuple[str, str]:
    """Open one connection to the first broker and translate its error: ``(message, fix)``. Both are empty when it
    accepts us after all, or when nobody listens there."""
    host, _, port = bootstrap.split(",")[0].rpartition(":")
    try:
        async with asyncio.timeout(_PATIENCE):
            connection = await create_conn(host, int(port), **access)
            connection.close()
    except TokenRefused as error:
        fix = "check `kafka.token_url`, `kafka.username`, `kafka.password` and `kafka.token_scope`"
        return f"there is no token for Kafka: {error}", fix
    except SaslAuthenticationFailed:
        return "Kafka refuses our credentials", "check `kafka.username` and `kafka.password`"
    except (UnsupportedSaslMechanismError, IllegalSaslStateError):
        return "Kafka does not support the configured login mechanism", "check `kafka.sasl_mechanism`"
    except ssl.SSLCertVerificationError as error:
        fix = "name the authority's certificate with `kafka.ca_file`, and the broker as its certificate does"
        return f"the broker's certificate is not trusted: {error.verify_message}", fix
    except ssl.SSLError:
        return "the broker does not use TLS on this port, or not a version that we support", _PROTOCOL
    except ConnectionRefusedError:
        return "", ""
    except (KafkaError, OSError, TimeoutError):
        # With TLS 1.3 a server refuses a missing certificate after the client's handshake has ended.
        wants_certificate = access["security_protocol"].endswith("SSL")
        return "the broker closes our connections", _PROTOCOL + (_CERTIFICATE if wants_certificate else "")
    return "", ""
