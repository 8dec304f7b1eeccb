"""KEDA's objects as models that take nothing they do not know (keda.sh/v1alpha1, KEDA 2.17): no schema is published
for what stands in a trigger's ``metadata``, and that is where the mistakes are made."""

# Fields are called as KEDA calls them.
# ruff: noqa: N815
from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

Number = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?$")]
"""KEDA takes metadata as strings only."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NamedObject(Strict):
    name: str = Field(min_length=1)


class Metadata(Strict):
    name: str
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Target(Strict):
    apiVersion: Literal["apps/v1"]
    kind: Literal["Deployment", "StatefulSet"]
    name: str


class KafkaMetadata(Strict):
    bootstrapServers: str
    topic: str
    consumerGroup: str
    offsetResetPolicy: Literal["earliest", "latest"]
    lagThreshold: Number
    activationLagThreshold: Number = "0"
    sasl: Literal["none", "plaintext", "scram_sha256", "scram_sha512"] = "none"
    tls: Literal["enable", "disable"] = "disable"
    version: str = ""
    allowIdleConsumers: Literal["true", "false"] = "false"
    limitToPartitionsWithLag: Literal["true", "false"] = "false"


class KafkaTrigger(Strict):
    type: Literal["kafka"]
    metadata: KafkaMetadata
    metricType: Literal["AverageValue", "Value"] = "AverageValue"
    authenticationRef: NamedObject | None = None


class PrometheusMetadata(Strict):
    serverAddress: str
    query: str
    threshold: Number
    activationThreshold: Number = "0"
    ignoreNullValues: Literal["true", "false"] = "true"


class PrometheusTrigger(Strict):
    type: Literal["prometheus"]
    metadata: PrometheusMetadata
    metricType: Literal["AverageValue", "Value"] = "AverageValue"
    authenticationRef: NamedObject | None = None


class Policy(Strict):
    type: Literal["Pods", "Percent"]
    value: int = Field(gt=0)
    periodSeconds: int = Field(gt=0, le=1800)


class Direction(Strict):
    stabilizationWindowSeconds: int = Field(default=0, ge=0, le=3600)
    policies: list[Policy] = Field(min_length=1)
    selectPolicy: Literal["Max", "Min", "Disabled"] = "Max"


class Behavior(Strict):
    scaleUp: Direction
    scaleDown: Direction


class Autoscaler(Strict):
    behavior: Behavior


class AdvancedConfig(Strict):
    horizontalPodAutoscalerConfig: Autoscaler


class Scaled(Strict):
    scaleTargetRef: Target
    pollingInterval: int = Field(gt=0)
    cooldownPeriod: int = Field(ge=0)
    minReplicaCount: int = Field(ge=0)
    maxReplicaCount: int = Field(gt=0)
    advanced: AdvancedConfig
    triggers: list[Annotated[KafkaTrigger | PrometheusTrigger, Field(discriminator="type")]] = Field(min_length=1)


class ScaledObject(Strict):
    apiVersion: Literal["keda.sh/v1alpha1"]
    kind: Literal["ScaledObject"]
    metadata: Metadata
    spec: Scaled


class SecretTarget(Strict):
    parameter: Literal["username", "password", "ca", "cert", "key"]
    name: str
    key: str


class Authentication(Strict):
    secretTargetRef: list[SecretTarget] = Field(min_length=1)


class TriggerAuthentication(Strict):
    apiVersion: Literal["keda.sh/v1alpha1"]
    kind: Literal["TriggerAuthentication"]
    metadata: Metadata
    spec: Authentication


_ANY: TypeAdapter[Any] = TypeAdapter(Annotated[ScaledObject | TriggerAuthentication, Field(discriminator="kind")])


def read(item: dict[str, Any]) -> ScaledObject | TriggerAuthentication:
    """Raises ValidationError."""
    found: ScaledObject | TriggerAuthentication = _ANY.validate_python(item)
    return found
