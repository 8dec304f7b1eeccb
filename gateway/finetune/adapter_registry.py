"""The adapters that answer: entries of the model registry in a file of their own beside the configuration.

The file is merged into the configuration. Commands write it, so that nobody's hand-written file is changed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from agent_worker.learning.finetune.adapter_evaluation import AdapterEvaluation, describe, find_objections
from gateway.config.loader import ADAPTERS_FILE
from gateway.config.settings import Config
from schemas.errors import Conflict, InvalidRequest, NotFound

_HEAD = "# Written by `parley finetune promote`. Every process needs it beside its configuration.\n"
_OTHER = re.compile(r"[^a-z0-9]+")


def name_entry(base: str, model: str) -> str:
    """The adapter's name in the registry, under which turns and outcomes show it."""
    return f"{base}-{_OTHER.sub('-', model.casefold()).strip('-')}"


def promote_adapter(config: Config, evaluation: AdapterEvaluation, share: float, locale: str) -> str:
    """Let the adapter answer this share of the tenant's conversations in this language. Returns its name in the
    registry. Raises Conflict if it is not better."""
    tenant, base = evaluation.tenant, evaluation.base
    if tenant not in config.tenants or base not in config.models:
        raise InvalidRequest(f"the evaluation is of {base} for {tenant}, and there is no such model or tenant")
    if objections := find_objections(evaluation, locale):
        fix = "train it again, or look at the cases that failed"
        raise Conflict(f"{evaluation.model} is not promoted: {'; '.join(objections)}", fix=fix)
    name = name_entry(base, evaluation.model)
    if (known := config.models.get(name)) is not None and known.adapter_of != base:
        raise Conflict(f"models has another entry {name}", fix="give the adapter another name at the provider")
    figures = evaluation.find_figures(locale)
    note = f"{evaluation.at:%Y-%m-%d}: {describe(figures)}" if figures is not None else ""
    rule: dict[str, Any] = {"model": name, "base": base, "share": share, "note": note}
    if locale:
        rule["locale"] = locale
    content = _read(config.folder)
    content.setdefault("models", {})[name] = {"adapter_of": base, "model": evaluation.model}
    rules = [each for each in _rules_of(content, tenant) if _place(each) != _place(rule)]
    _set_rules(content, tenant, [*rules, rule])
    _check_shares(content, tenant, base)
    _write(config.folder, content)
    return name


def demote_adapter(config: Config, tenant: str, name: str, locale: str | None = None) -> int:
    """Take the adapter (by its name in the registry or at the provider) out of use; only for one language if
    ``locale`` is given. Returns the number of rules removed. Raises NotFound."""
    content = _read(config.folder)
    names = {name, *(key for key, entry in content.get("models", {}).items() if entry["model"] == name)}
    rules = _rules_of(content, tenant)
    kept = [
        each
        for each in rules
        if each["model"] not in names or (locale is not None and each.get("locale", "") != locale)
    ]
    if len(kept) == len(rules):
        raise NotFound(f"no adapter {name} answers for {tenant}", fix=f"see {ADAPTERS_FILE}")
    _set_rules(content, tenant, kept)
    used = {each["model"] for section in content.get("tenants", {}).values() for each in section.get("adapters", [])}
    content["models"] = {key: entry for key, entry in content.get("models", {}).items() if key in used}
    _write(config.folder, content)
    return len(rules) - len(kept)


def _read(folder: Path) -> dict[str, Any]:
    path = folder / ADAPTERS_FILE
    content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None
    return content if isinstance(content, dict) else {}


def _write(folder: Path, content: Mapping[str, Any]) -> None:
    """Replace the file at once, so that no process reads half of it."""
    path = folder / ADAPTERS_FILE
    if not content.get("models"):
        path.unlink(missing_ok=True)
        return
    temporary = path.with_suffix(".tmp")
    temporary.write_text(_HEAD + yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True), encoding="utf-8")
    os.replace(temporary, path)


def _rules_of(content: Mapping[str, Any], tenant: str) -> list[dict[str, Any]]:
    return list(content.get("tenants", {}).get(tenant, {}).get("adapters", []))


def _set_rules(content: dict[str, Any], tenant: str, rules: list[dict[str, Any]]) -> None:
    tenants = content.setdefault("tenants", {})
    if rules:
        tenants[tenant] = {"adapters": rules}
    else:
        tenants.pop(tenant, None)


def _place(rule: Mapping[str, Any]) -> tuple[str, str]:
    return rule["model"], rule.get("locale", "")


def _check_shares(content: Mapping[str, Any], tenant: str, base: str) -> None:
    """Raises Conflict if the adapters of a model would get more than all conversations in a language."""
    of_base = [each for each in _rules_of(content, tenant) if content["models"][each["model"]]["adapter_of"] == base]
    for locale in {each.get("locale", "") for each in of_base}:
        share = sum(each["share"] for each in of_base if each.get("locale", "") in ("", locale))
        if share > 1 + 1e-9:
            raise Conflict(
                f"adapters of {base} would answer {share:.0%} of the conversations{f' in {locale}' if locale else ''}",
                fix="demote another one first, or choose a smaller --share",
            )
