"""The study's configuration: merged per task and scale, checked, frozen.

``config.yaml`` states every number once, at the paper's settings, under ``study``; each entry of ``scales``
states what that scale changes. A task's settings are merged from

    study.every_task < study.settings.<task> < scales.<scale>.every_task < scales.<scale>.settings.<task>

(the later ones win) over the defaults that the files of the task, the learned family and the baselines
state. Each of a task's ``variants`` is that, with its own changes on top. ``resolve`` checks each part
against the schema that ``lopt.settings`` and those files make up (``lopt.config_schema``), then the
whole, then the few rules that a schema can't express, and reports
*one* error that names the key, the value and what is allowed. The study and the selected scale have to be
right at once, another scale when it is asked for: what is wrong there stops nobody who does not use it.

The dataclasses of ``lopt.settings`` are the typed form in which the package's functions take their settings.
No JAX here: the workflow imports this module when it is parsed.
"""

import copy
import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lopt.config_check import contradictions, memory_contradictions, schema_error
from lopt.config_plain import NotPlainError, plain
from lopt.config_schema import Schemas, default_ranges, family_of
from lopt.extensions import BASELINES, FAMILIES, TASKS
from lopt.found import found, listed
from lopt.parameters import REQUIRED
from lopt.settings import MetaTrainingSettings

__all__ = [
    "ConfigError",
    "MetaTrainingSettings",
    "Studies",
    "digest",
    "merge",
    "resolve",
    "resolve_study",
    "settings",
]


class ConfigError(ValueError):
    """The configuration is not usable; the message names the key, the value and what is allowed."""


def settings(cls: type, values: Mapping[str, Any]) -> Any:
    """Build the settings dataclass ``cls`` from a mapping; what has a default may be left out.

    Raises:
        ConfigError: if a key is missing or unknown.
    """
    fields = dataclasses.fields(cls)
    names = {field.name for field in fields}
    needed = {field.name for field in fields if field.default is dataclasses.MISSING}
    if not needed <= set(values) <= names:
        wrong = sorted((needed - set(values)) | (set(values) - names))
        raise ConfigError(f"{cls.__name__}: missing or unknown keys {wrong}; needs {sorted(names)}")
    return cls(**values)


def merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``change`` merged in: mappings deeply, everything else replaced.

    >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
    {'a': {'b': 1, 'c': 3}}
    """
    result = copy.deepcopy(dict(base))
    for key, value in change.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merge(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def digest(value: Any) -> str:
    """Return a short stable hash of a JSON-like value (dataclasses included)."""
    text = json.dumps(value, sort_keys=True, default=dataclasses.asdict)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _Layer(NamedTuple):
    """One of the places that settings come from: the study, or a scale's changes of it."""

    place: str
    """Its key in the configuration."""
    values: Mapping[str, Any]


class Studies(Mapping[str, dict[str, Any]]):
    """The full settings of every scale, each resolved when it is first asked for.

    Each is a mapping with ``device``, ``weights``, ``baselines`` (names) and ``tasks``: the settings of every
    task of the scale, by name. Asking for a scale that is not right raises ConfigError, each time; the names
    of all are known without.
    """

    def __init__(self, config: Mapping[str, Any], schemas: Schemas) -> None:
        self._config, self._schemas = config, schemas
        self._resolved: dict[str, dict[str, Any] | ConfigError] = {}

    def __getitem__(self, name: str) -> dict[str, Any]:
        if name not in self._resolved:
            changes = _Layer(f"scales.{name}", self._config["scales"][name])
            layers = [_Layer("study", self._config["study"]), changes]
            try:
                self._resolved[name] = _study(layers, self._schemas)
            except ConfigError as error:
                self._resolved[name] = error
        result = self._resolved[name]
        if isinstance(result, ConfigError):
            raise ConfigError(str(result))
        return result

    def __iter__(self) -> Iterator[str]:
        return iter(self._config["scales"])

    def __len__(self) -> int:
        return len(self._config["scales"])

    def takes_weights(self, name: str) -> bool:
        """Whether the scale names a folder of released weights, be the rest of it right or not."""
        changes = self._config["scales"][name]
        return bool(changes.get("weights", self._config["study"].get("weights")))


def resolve(config: Mapping[str, Any], schemas: Schemas | None = None) -> Studies:
    """Return the full settings of every scale, by name.

    Args:
        config: the configuration as read from YAML: ``scale``, ``study``, ``scales``.
        schemas: what it is held against, for many configurations at a time.

    Raises:
        ConfigError: for the first thing that is wrong with the study or the selected scale, with its key,
            its value and what is allowed.
    """
    config, schemas = _plain(config), schemas or Schemas()
    _raise_if(schema_error(config, schemas.frame))
    if config["scale"] not in config["scales"]:
        known = listed(config["scales"])
        _raise_if(("scale", f"{found(config['scale'])} is not one of {known}"))
    _study([_Layer("study", config["study"])], schemas)
    studies = Studies(config, schemas)
    studies[config["scale"]]
    return studies


def resolve_study(study: Mapping[str, Any], schemas: Schemas | None = None) -> dict[str, Any]:
    """Return the full settings of a study without a scale's changes, in the form of ``Studies``.

    Raises:
        ConfigError: as ``resolve``.
    """
    return _study([_Layer("study", _plain(study, "study"))], schemas or Schemas())


def _plain(config: Any, *place: str) -> Any:
    try:
        return plain(config)
    except NotPlainError as error:
        key = [*place, *([] if place and error.key == "(top level)" else [error.key])]
        _raise_if((".".join(key), error.problem))


def _study(layers: list[_Layer], schemas: Schemas) -> dict[str, Any]:
    """Return the settings that ``layers`` add up to, the last one first."""
    scale = layers[-1].place.removeprefix("scales.") if len(layers) > 1 else None
    for place, values in layers:
        _raise_if(_within(place, schema_error(values, schemas.study(place == "study"))))
    study = {"makes": "study", "collection": None}
    for _, values in layers:
        study |= {key: value for key, value in values.items() if key not in _PER_TASK}
    study["tasks"] = TASKS.names() if study["tasks"] == "all" else study["tasks"]
    study["baselines"] = BASELINES.names() if study["baselines"] == "all" else study["baselines"]
    study["tasks"] = {
        task: _task(task, study["baselines"], layers, schemas, scale) for task in study["tasks"]
    }
    if scale and not study["weights"]:
        for task, values in study["tasks"].items():
            for own in (values, *values.get("variants", {}).values()):
                family = FAMILIES.facts(own["optimizer"]["family"])
                error = next(memory_contradictions(own, TASKS.facts(task), family), None)
                where = error and (_origin(error[0], list(_parts(task, layers))), error[1])
                _raise_if(where, scale)
    _raise_if(_census_error(study), scale)
    return study


def _census_error(study: Mapping[str, Any]) -> tuple[str, str] | None:
    """A census counts variants: at least one of every task."""
    if study["makes"] != "census":
        return None
    for task, values in study["tasks"].items():
        if not values.get("variants"):
            return "makes", f"census, but {task} has no variants to count"
    return None


_PER_TASK = ("every_task", "settings")


def _task(
    task: str, baselines: list[str], layers: list[_Layer], schemas: Schemas, scale: str | None
) -> dict[str, Any]:
    """Return the settings of one task, the parts of all layers merged and checked."""
    parts = list(_parts(task, layers))
    for place, part in parts:
        own = place.endswith(f"settings.{task}")
        schema = schemas.part(task if own else None)
        _raise_if(_within(place, schema_error(part, schema)))
        for name, change in (part.get("variants") or {}).items():
            _raise_if(_within(f"{place}.variants.{name}", _variant_error(name, change, schema)))
    merged: dict[str, Any] = {}
    for _, part in parts:
        merged = _merge_part(merged, part)
    variants = merged.pop("variants", None) or {}
    complete = _complete_task(copy.deepcopy(merged), parts, task, baselines, schemas, scale)
    resolved = {}
    for name, change in variants.items():
        if change is not None:
            changes = [(f"{p}.variants.{name}", _variant_of(part, name)) for p, part in parts]
            own, where = _merge_part(merged, change), [*parts, *changes]
            resolved[name] = _complete_task(
                own, where, task, baselines, schemas, scale, variant=True
            )
    return {**complete, "variants": resolved} if resolved else complete


def _complete_task(
    merged: dict[str, Any],
    parts: list[tuple[str, Mapping[str, Any]]],
    task: str,
    baselines: list[str],
    schemas: Schemas,
    scale: str | None,
    *,
    variant: bool = False,
) -> dict[str, Any]:
    """Return the merged settings of a task, or of a variant of it, with all defaults, checked as a whole."""
    error = _missing(merged)
    if error is None:
        family = family_of(merged)
        _complete(merged, task, family, baselines)
        error = schema_error(merged, schemas.task(task, family))
    # A variant has no early optimizer and no search: what those want of its recipe is nothing to it.
    search = merged.get("meta_search", {})
    without = {"early": None, "meta_search": {**search, "rungs": []}} if variant else {}
    error = error or next(contradictions(merged | without, TASKS.facts(task)), None)
    _raise_if(error and (_origin(error[0], parts), error[1]), scale)
    return merged


NOT_OF_A_VARIANT = ("variants", "early", "start")
NO_VARIANT = ("all", "baselines", "learned", "published", "searches", "statement")
"""What the census calls something else: a sum of variants, a folder beside theirs, a column of its page."""


def _variant_of(part: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return (part.get("variants") or {}).get(name) or {}


def _variant_error(name: Any, change: Any, schema: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what is wrong with one variant: its name, or what it changes."""
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
        return "(top level)", (
            f"{found(name)} should be a name: lower-case letters, digits and _, of which a letter comes first"
        )
    if change is None:
        return None
    if name in (*NO_VARIANT, *TASKS.names(), *BASELINES.names()):
        return (
            "(top level)",
            f"{found(name)} is what something else is called; give it another name",
        )
    if error := schema_error(change, schema):
        return error
    for key in NOT_OF_A_VARIANT:
        if key in change:
            return key, "a variant has no such key; take it away"
    return None


def _missing(merged: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the first of the keys that ``_complete`` builds on and no part states."""
    for block, key in (("optimizer", "family"), ("tuning", "ranges")):
        if block not in merged:
            return "(top level)", f"missing key {block}"
        if key not in merged[block]:
            return block, f"missing key {key}"
    return None


def _complete(merged: dict[str, Any], task: str, family: str, baselines: list[str]) -> None:
    """Put in what the files of the task, the family and the baselines state as their defaults."""
    merged["problem"] = _with_defaults(TASKS, task, merged.get("problem", {}))
    merged["optimizer"] = {
        "family": family,
        **_with_defaults(FAMILIES, family, _without(merged["optimizer"], "family")),
    }
    ranges = merge(default_ranges(baselines), merged["tuning"]["ranges"])
    merged["tuning"]["ranges"] = {name: ranges[name] for name in baselines}


def _parts(task: str, layers: list[_Layer]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (key in the configuration, settings) of every part of a task's settings, least specific first."""
    for place, values in layers:
        yield f"{place}.every_task", values.get("every_task", {})
        yield f"{place}.settings.{task}", values.get("settings", {}).get(task, {})


def _merge_part(settings: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a part in; where it names another family, what that family does not know is left out."""
    family = part.get("optimizer", {}).get("family")
    before = dict(settings)
    if family and before.get("optimizer", {}).get("family", family) != family:
        known = FAMILIES.facts(family).fields
        before["optimizer"] = {k: v for k, v in before["optimizer"].items() if k in known}
        search = before.get("meta_search", {})
        if "ranges" in search:
            others = set(FAMILIES.facts(settings["optimizer"]["family"]).fields) - set(known)
            before["meta_search"] = {**search, "ranges": _without(search["ranges"], *others)}
    return merge(before, part)


def _without(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _with_defaults(registry: Any, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` completed by the defaults that the extension's file states, in its order."""
    fields = registry.facts(name).fields
    defaults = {
        key: list(field.default) if isinstance(field.default, tuple) else field.default
        for key, field in fields.items()
        if field.default is not REQUIRED
    }
    complete = {**defaults, **values}
    ordered = [key for key in fields if key in complete]
    return {key: complete[key] for key in [*ordered, *(k for k in complete if k not in fields)]}


def _within(place: str, error: tuple[str, str] | None) -> tuple[str, str] | None:
    """Return the error of a part of the configuration with its key in the whole."""
    return error and (f"{place}.{error[0]}".removesuffix(".(top level)"), error[1])


def _origin(path: str, parts: list[tuple[str, Mapping[str, Any]]]) -> str:
    """Return the key in the configuration that the value at ``path`` of a task's settings came from."""
    if path == "(top level)":  # what no part states is missing in the first
        return parts[0][0]
    keys = path.split(".")
    while keys:
        for place, part in reversed(parts):
            value: Any = part
            for key in keys:
                index: Any = int(key) if isinstance(value, list) and key.isdigit() else key
                try:
                    value = value[index]
                except (KeyError, IndexError, TypeError):
                    break
            else:
                return f"{place}.{path}"
        keys.pop()
    return f"{parts[-1][0]}.{path}"


def _raise_if(error: tuple[str, str] | None, scale: str | None = None) -> None:
    if error:
        key = error[0]
        where = f" (scale {scale})" if scale and not key.startswith("scales.") else ""
        raise ConfigError(f"config key '{key}'{where}: {error[1]}")
