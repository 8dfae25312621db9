"""The configuration's JSON schema: the frame of the settings, completed by what extensions say of themselves.

The frame (``lopt.config_frame``) knows no task, family or baseline. Here their files' facts are put
in: which names there are, the keys of ``problem`` and ``optimizer`` with their bounds, and for every search
range the bounds of what is searched.
"""

import copy
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

from lopt import config_frame
from lopt.config_check import range_contradictions
from lopt.extensions import BASELINES, FAMILIES, TASKS
from lopt.facts import hyperparameters, json_schema
from lopt.parameters import FactsError, Field, field_schema
from lopt.settings import Range

__all__ = ["Schemas", "default_ranges", "family_of", "part_schema", "study_schema", "task_schema"]

Schema = dict[str, Any]
SCALES = get_args(get_type_hints(Range)["scale"])
SEARCHED = ("input_scale", "output_scale")  # settings of a family that meta_search may draw


class Schemas:
    """The schemas that one configuration is held against, each made when it is first asked for."""

    def __init__(self) -> None:
        frame = self.frame = config_frame.frame()
        self.study = cache(lambda complete: study_schema(frame, complete=complete))
        self.part = cache(lambda task: part_schema(frame, task))
        self.task = cache(lambda task, family: task_schema(frame, task, family))


def family_of(task: Mapping[str, Any]) -> str:
    """Return the learned family that a task's settings name."""
    return task["optimizer"]["family"]


def default_ranges(baselines: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the search ranges that the baselines' files state, as the configuration writes them.

    >>> default_ranges(["momentum"])["momentum"]["momentum"]
    {'low': 0.0, 'high': 0.99, 'scale': 'log_one_minus'}
    """
    found = {}
    for name in baselines:
        facts = BASELINES.facts(name)
        found[name] = {
            key: _stated(facts.path, key, value) for key, value in facts.constant("ranges").items()
        }
    return found


def _stated(path: Path, key: str, value: Any) -> dict[str, Any]:
    """Return a search range that a baseline's file states.

    Raises:
        FactsError: if it is none.
    """
    if isinstance(value, tuple) and len(value) == 3 and value[2] in SCALES:
        stated: dict[str, Any] = dict(zip(("low", "high", "scale"), value, strict=True))
        numbers = all(isinstance(each, int | float) for each in value[:2])
        if numbers and not any(range_contradictions("ranges", {key: stated})):
            return stated
    raise FactsError(
        f"{path}: ranges: {key} is {value!r}, expected (low, high, scale), low < high, scale one of "
        f"{', '.join(SCALES)} (log: low > 0; log_one_minus: high < 1)"
    )


def study_schema(frame: Mapping[str, Any], *, complete: bool) -> Schema:
    """Return the schema of a study, or of a scale's changes of it (not ``complete``).

    The settings of tasks are mappings here; ``part_schema`` and ``task_schema`` say of what.
    """
    schema = copy.deepcopy(dict(frame["$defs"]["study"]))
    properties = schema["properties"]
    for key, registry in (("tasks", TASKS), ("baselines", BASELINES)):
        names = {"enum": registry.names()}
        properties[key] = {**frame["$defs"]["names"], "items": names}
    properties["settings"]["properties"] = {name: {"type": "object"} for name in TASKS.names()}
    if not complete:
        del schema["required"]
    return {"$defs": frame["$defs"], **schema}


def task_schema(frame: Mapping[str, Any], task: str, family: str) -> Schema:
    """Return the schema of the complete settings of ``task`` with an optimizer of ``family``."""
    schema = copy.deepcopy(dict(frame["$defs"]["task"]))
    definitions = copy.deepcopy(dict(frame["$defs"]))
    problem, optimizer = (json_schema(r.facts(n)) for r, n in ((TASKS, task), (FAMILIES, family)))
    properties = schema["properties"]
    properties["problem"] = problem
    properties["meta_training_problem"] = {**_partial(problem), "type": ["object", "null"]}
    properties["optimizer"] = optimizer | {
        "properties": {"family": {"enum": FAMILIES.names()}, **optimizer["properties"]}
    }
    _complete_ranges(definitions, FAMILIES.facts(family).fields)
    return {"$defs": definitions, **schema}


def part_schema(frame: Mapping[str, Any], task: str | None) -> Schema:
    """Return the schema of one part of a task's settings: any of its keys; ``task`` None: of every task."""
    schema = _partial(frame["$defs"]["task"])
    definitions = {name: _partial(value) for name, value in frame["$defs"].items()}
    properties = schema["properties"]
    problem = {} if task is None else _partial(json_schema(TASKS.facts(task)))
    properties["problem"] = problem or {
        "type": "object",
        "additionalProperties": False,
        "properties": {},
    }
    properties["meta_training_problem"] = {**properties["problem"], "type": ["object", "null"]}
    # Whose family it is, the other parts may say: here any family's keys, there the family's bounds.
    fields = {
        key: field
        for name in FAMILIES.names()
        for key, field in FAMILIES.facts(name).fields.items()
    }
    properties["optimizer"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "family": {"enum": FAMILIES.names()},
            **{key: field_schema(Field(field.kind)) for key, field in fields.items()},
        },
    }
    _complete_ranges(definitions, fields)
    return {"$defs": definitions, **schema}


def _complete_ranges(definitions: Schema, family: Mapping[str, Field]) -> None:
    """Put in which baselines and settings of the family can be searched, within which bounds."""
    definitions["tuning"]["properties"]["ranges"]["properties"] = {
        name: {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                key: _range(definitions["range"], field_schema(field))
                for key, field in hyperparameters(BASELINES.facts(name)).items()
            },
        }
        for name in BASELINES.names()
    }
    recipe = definitions["meta_training"]["properties"]
    # Of the family, what can be tuned beside a recipe; its size is the study's choice.
    numbers = {key: field_schema(family[key]) for key in SEARCHED if key in family}
    definitions["meta_search"]["properties"]["ranges"]["properties"] = {
        key: _range(definitions["range"], recipe.get(key) or numbers[key])
        for key in [*definitions["meta_search"]["properties"]["ranges"]["properties"], *numbers]
    }


def _range(frame: Mapping[str, Any], bounds: Mapping[str, Any]) -> Schema:
    """A search range whose ends are values that the setting itself may have."""
    bounds = {key: value for key, value in bounds.items() if key != "description"}
    return {
        **frame,
        "properties": {**frame["properties"], "low": dict(bounds), "high": dict(bounds)},
    }


def _partial(schema: Mapping[str, Any]) -> Schema:
    """Return a copy of an object's schema in which no key is required, nor any of the mappings in it."""
    copied = {key: copy.deepcopy(value) for key, value in schema.items() if key != "required"}
    if "properties" in copied:
        copied["properties"] = {key: _partial(value) for key, value in copied["properties"].items()}
    return copied
