"""The study's configuration: checked against the schema, resolved per scale, frozen.

``config.yaml`` states every number once, at the paper's settings, under ``study``; each entry of
``scales`` states what that scale changes. ``resolve`` merges the two, checks the result against
``schemas/config.schema.yaml`` and against the few rules that a schema can't express, and
reports *one* error that names the key, the value and what is allowed.

The dataclasses are the typed form in which the package's functions take their settings. No JAX here:
the workflow imports this module when it is parsed.
"""

import copy
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

__all__ = [
    "ConfigError",
    "GRUSettings",
    "MetaTrainingSettings",
    "digest",
    "merge",
    "resolve",
    "settings",
]


class ConfigError(ValueError):
    """The configuration is not usable; the message names the key, the value and what is allowed."""


@dataclasses.dataclass(frozen=True)
class GRUSettings:
    """Size and scales of the learned optimizer."""

    units: int
    input_scale: float
    output_scale: float


@dataclasses.dataclass(frozen=True)
class MetaTrainingSettings:
    """How a learned optimizer is trained. Steps are meta-steps unless they say otherwise.

    The learning rate at meta-step k is ``learning_rate * decay_factor ** (k / decay_steps)``; the
    meta-gradient is clipped element-wise at ``clip``; ``theta_penalty`` multiplies ||theta||_2.
    """

    meta_steps: int
    problems: int
    learning_rate: float
    decay_factor: float
    decay_steps: int
    b1: float
    b2: float
    epsilon: float
    clip: float
    theta_penalty: float
    chunk: int
    validation_problems: int
    validation_interval: int
    checkpoint_seconds: float
    skipped_in_a_row: int
    memory_budget_gb: float
    precision: str


def settings(cls: type, values: Mapping[str, Any]) -> Any:
    """Build the settings dataclass ``cls`` from a mapping.

    Raises:
        ConfigError: if a key is missing or unknown.
    """
    names = {field.name for field in dataclasses.fields(cls)}
    if set(values) != names:
        wrong = sorted(set(values) ^ names)
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


def resolve(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the full settings of every scale.

    Args:
        config: the configuration as read from YAML: ``scale``, ``study``, ``scales``.
        schema: the JSON schema of the whole, whose ``$defs/study`` describes a resolved scale.

    Raises:
        ConfigError: for the first thing that is wrong, with its key, its value and what is allowed.
    """
    _check(config, schema, prefix="")
    if config["scale"] not in config["scales"]:
        raise ConfigError(
            f"config key 'scale' is {config['scale']!r}; there are {', '.join(config['scales'])}"
        )
    study_schema = {"$defs": schema["$defs"], **schema["$defs"]["study"]}
    scales = {}
    for name, changes in config["scales"].items():
        study = merge(config["study"], changes or {})
        _check(study, study_schema, prefix=f"scales.{name} (merged into study): ")
        for task, task_settings in study["tasks"].items():
            prefix = f"config key 'scales.{name}.tasks.{task}"
            _check_chunks(task_settings["meta_training"], prefix)
            _check_rungs(task_settings, prefix)
        scales[name] = study
    return scales


def _check(value: Any, schema: Mapping[str, Any], prefix: str) -> None:
    error = best_match(Draft202012Validator(schema).iter_errors(value))
    if error is not None:
        raise ConfigError(f"config key {prefix}{_key(error)!r}: {_explain(error)}")


def _key(error: ValidationError) -> str:
    return ".".join(str(part) for part in error.absolute_path) or "(top level)"


def _explain(error: ValidationError) -> str:
    """Say what was found and what is allowed, in the words of the user, not of JSON schema."""
    found, allowed = json.dumps(error.instance), error.validator_value
    if len(found) > 80:
        found = found[:77] + "..."
    match error.validator:
        case "additionalProperties" | "propertyNames":
            known = sorted(error.schema.get("properties", {})) or allowed.get("enum", [])
            unknown = sorted(set(error.instance) - set(known)) if known else []
            return f"unknown key {', '.join(unknown)}; allowed are {', '.join(known)}"
        case "required":
            return f"missing key {', '.join(sorted(set(allowed) - set(error.instance)))}"
        case "enum":
            return f"{found} is not one of {', '.join(map(str, allowed))}"
        case "type":
            return f"{found} should be of type {allowed}"
        case "uniqueItems":
            return f"{found} names an entry twice; every entry may stand once"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            words = {
                "minimum": "at least",
                "exclusiveMinimum": "greater than",
                "maximum": "at most",
                "exclusiveMaximum": "less than",
            }
            return f"{found} should be {words[error.validator]} {allowed}"
        case _:
            return error.message


def _check_chunks(training: Mapping[str, Any], prefix: str) -> None:
    """Validation and the end of training fall on the ends of jitted chunks."""
    chunk, prefix = training["chunk"], f"{prefix}.meta_training"
    for key in ("validation_interval", "meta_steps"):
        if training[key] % chunk:
            raise ConfigError(
                f"{prefix}.{key}': {training[key]} should be a multiple of chunk ({chunk})"
            )
    if training["meta_steps"] % training["validation_interval"]:
        raise ConfigError(
            f"{prefix}.meta_steps': {training['meta_steps']} should be a multiple of "
            f"validation_interval ({training['validation_interval']})"
        )


def _check_rungs(task: Mapping[str, Any], prefix: str) -> None:
    """Rungs go on with fewer trials for longer, and end with a validation."""
    interval, rungs = task["meta_training"]["validation_interval"], task["meta_search"]["rungs"]
    for rung in rungs:
        if rung["meta_steps"] % interval:
            raise ConfigError(
                f"{prefix}.meta_search.rungs': meta_steps {rung['meta_steps']} should be a multiple "
                f"of validation_interval ({interval})"
            )
    for earlier, later in pairwise(rungs):
        if later["trials"] > earlier["trials"] or later["meta_steps"] <= earlier["meta_steps"]:
            raise ConfigError(
                f"{prefix}.meta_search.rungs': {later} follows {earlier}, but a rung should have no "
                "more trials than the one before, and more meta_steps"
            )
