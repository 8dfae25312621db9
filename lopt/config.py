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
from typing import Any

from lopt.config_check import contradictions, schema_error

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
    The last two may be left out of a configuration, or None: ``problem_clip`` is the norm that each
    problem's meta-gradient is clipped to before their mean is taken, ``averaging`` the decay per meta-step
    of the moving average of theta that is validated and kept in place of theta.
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
    problem_clip: float | None = None
    averaging: float | None = None


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


def resolve(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the full settings of every scale.

    Args:
        config: the configuration as read from YAML: ``scale``, ``study``, ``scales``.
        schema: the JSON schema of the whole, whose ``$defs/study`` describes a resolved scale.

    Raises:
        ConfigError: for the first thing that is wrong, with its key, its value and what is allowed.
    """
    _raise_if(schema_error(config, schema))
    if config["scale"] not in config["scales"]:
        known = ", ".join(config["scales"])
        _raise_if(("scale", f"{json.dumps(config['scale'])} is not one of {known}"))
    study_schema = {"$defs": schema["$defs"], **schema["$defs"]["study"]}
    scales = {}
    for name, changes in config["scales"].items():
        study = merge(config["study"], changes or {})
        _raise_if(schema_error(study, study_schema), scale=name)
        _raise_if(next(contradictions(study), None), scale=name)
        scales[name] = study
    return scales


def _raise_if(error: tuple[str, str] | None, scale: str | None = None) -> None:
    if error is not None:
        where = f" (scale {scale})" if scale else ""
        raise ConfigError(f"config key '{error[0]}'{where}: {error[1]}")
