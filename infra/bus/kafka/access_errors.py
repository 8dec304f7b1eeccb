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

_PROTOCOL = "set `kafka.security_protocol` to the protocol of this listener of the broker"
_PATIENCE = 5.0


async def explain_refusal(bootstrap: str, access: Mapping[str, Any]) -> tuple[str, str]:
    """Open one connection to the first broker and translate its error: ``(message, fix)``. Both are empty when it
    accepts us after all, or when nobody listens there."""
    host, _, port = bootstrap.split(",")[0].rpartition(":")
    try:
        async with asyncio.timeout(_PATIENCE):
            connection = await create_conn(host, int(port), **access)
            connection.close()
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
        return "the broker closes our connections", _PROTOCOL
    return "", ""
