"""The log on Kafka. Import this package only where Kafka is configured: it needs the ``kafka`` extra."""

from __future__ import annotations

from schemas.errors import MissingDependency
from schemas.runtime.optional_dependencies import install_command

try:
    import aiokafka as _aiokafka  # noqa: F401
except ImportError as missing:
    raise MissingDependency("the Kafka client is not installed", fix=install_command("kafka")) from missing

from infra.bus.kafka.access import KafkaAccess
from infra.bus.kafka.bus import KafkaBus
from infra.bus.kafka.profile import PRODUCTION, KafkaProfile

__all__ = ["PRODUCTION", "KafkaAccess", "KafkaBus", "KafkaProfile"]
