"""As much of kustomize as infra/deploy/kubernetes uses, so that its tests need no binary. Anything else is refused.

Where kubectl is installed, test_kubernetes.py holds the result against what kubectl makes of the same folders.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
KNOWN = {
    *("apiVersion", "kind", "resources", "configurations", "namespace", "nameSuffix", "labels", "patches", "images"),
}
WITHOUT_NAMESPACE = frozenset({"Namespace"})


def render(folder: Path) -> list[Object]:
    """All objects of a folder, as ``kubectl kustomize`` prints them, in the order of the files."""
    plan = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if unknown := plan.keys() - KNOWN:
        raise ValueError(f"{folder}: this renderer does not know {sorted(unknown)}")
    objects = [item for name in plan["resources"] for item in _resource(folder / name)]
    for patch in plan.get("patches", []):
        for item in objects:
            if item["kind"] == patch["target"]["kind"]:
                _patch(item, yaml.safe_load(patch["patch"]))
    _label(objects, plan.get("labels", []))
    _rename(objects, plan.get("nameSuffix", ""))
    for item in objects:
        if "namespace" in plan and item["kind"] not in WITHOUT_NAMESPACE:
            item["metadata"]["namespace"] = plan["namespace"]
        _images(item, plan.get("images", []))
    return objects


def _resource(path: Path) -> list[Object]:
    return render(path.resolve()) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))


def _patch(item: Object, operations: list[Object]) -> None:
    for operation in operations:
        if operation["op"] != "replace":
            raise ValueError(f"this renderer does not know the operation {operation['op']}")
        at: Any = item
        *way, last = [int(part) if part.isdigit() else part for part in operation["path"].strip("/").split("/")]
        for part in way:
            at = at[part]
        at[last]  # what is replaced must be there
        at[last] = operation["value"]


def _label(objects: list[Object], labels: list[Object]) -> None:
    for group in labels:
        pairs = group["pairs"]
        for item in objects:
            item["metadata"].setdefault("labels", {}).update(pairs)
            template = item.get("spec", {}).get("template") if isinstance(item.get("spec"), dict) else None
            if template and (group.get("includeTemplates") or group.get("includeSelectors")):
                template["metadata"].setdefault("labels", {}).update(pairs)
            if group.get("includeSelectors"):
                _select(item, pairs)


def _select(item: Object, pairs: dict[str, str]) -> None:
    kind, spec = item["kind"], item.get("spec", {})
    if kind == "Service":
        spec["selector"].update(pairs)
    elif kind in ("Deployment", "StatefulSet"):
        spec["selector"]["matchLabels"].update(pairs)
        for constraint in spec["template"]["spec"].get("topologySpreadConstraints", []):
            constraint["labelSelector"]["matchLabels"].update(pairs)
    elif kind == "PodDisruptionBudget":
        spec["selector"]["matchLabels"].update(pairs)


def _rename(objects: list[Object], suffix: str) -> None:
    if not suffix:
        return
    old = {(item["kind"], item["metadata"]["name"]) for item in objects}
    for item in objects:
        item["metadata"]["name"] += suffix
        spec = item.get("spec", {})
        if item["kind"] == "StatefulSet" and ("Service", spec["serviceName"]) in old:
            spec["serviceName"] += suffix
        target = spec.get("scaleTargetRef") if isinstance(spec, dict) else None
        if target and (target["kind"], target["name"]) in old:
            target["name"] += suffix


def _images(item: Object, images: list[Object]) -> None:
    for container in pod_of(item).get("containers", []):
        for image in images:
            if re.fullmatch(rf"{re.escape(image['name'])}(:.*)?", container["image"]):
                container["image"] = f"{image['newName']}:{image['newTag']}"


def pod_of(item: Object) -> Object:
    """The pod's spec of what makes pods; empty for everything else."""
    spec = item.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    return template["spec"] if isinstance(template, dict) else {}


def change_object(objects: list[Object], kind: str, way: tuple[str | int, ...], value: Any) -> list[Object]:
    """A copy in which the first object of a kind has another value somewhere; ``None`` takes the key away."""
    altered = copy.deepcopy(objects)
    at: Any = next(item for item in altered if item["kind"] == kind)
    for part in way[:-1]:
        at = at[part]
    if value is None:
        del at[way[-1]]
    else:
        at[way[-1]] = value
    return altered
