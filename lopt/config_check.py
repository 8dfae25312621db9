"""What can be wrong with a configuration, in the words of its user.

``schema_error`` finds what breaks the JSON schema, ``contradictions`` what no schema can
express: settings that contradict one another. Both name the key, the value, and what is allowed.
"""

import json
import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend

__all__ = ["contradictions", "schema_error"]


def _is_number(_: Any, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_integer(_: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# JSON schema takes 2.0 for an integer; a number of steps has to be one. And YAML can write .nan and .inf.
_Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"number": _is_number, "integer": _is_integer}
    ),
)

_TYPES = {
    "object": "a mapping (key: value)",
    "array": "a list",
    "integer": "a whole number",
    "number": "a finite number",
    "string": "text",
    "boolean": "true or false",
    "null": "nothing",
}
_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "greater than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}


def schema_error(value: Any, schema: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the key that breaks the JSON schema and what is wrong with it; None if nothing does."""
    error = best_match(_Validator(schema).iter_errors(value))
    if error is None:
        return None
    return ".".join(str(part) for part in error.absolute_path) or "(top level)", _explain(error)


def _explain(error: ValidationError) -> str:
    """Say what was found and what is allowed, in the words of the user, not of JSON schema."""
    found, allowed = json.dumps(error.instance), error.validator_value
    if len(found) > 80:
        found = found[:77] + "..."
    match error.validator:
        case "type" | "pattern" if "title" in error.schema:
            return f"{found} should be {error.schema['title']}"
        case "additionalProperties":
            known = sorted(error.schema["properties"])
            unknown = sorted(set(error.instance) - set(known))
            return (
                f"unknown key {', '.join(unknown)}; allowed are {', '.join(known) or 'none here'}"
            )
        case "required":
            return f"missing key {', '.join(sorted(set(allowed) - set(error.instance)))}"
        case "enum":
            return f"{found} is not one of {', '.join(map(str, allowed))}"
        case "type":
            types = [allowed] if isinstance(allowed, str) else allowed
            text = f"{found} should be {' or '.join(_TYPES[name] for name in types)}"
            return text + _hint_at_exponents(error.instance, types)
        case "pattern":
            return f"{found} should be of lower-case letters, digits and _, a letter first"
        case "uniqueItems":
            return f"{found} names an entry twice; each may stand once"
        case "minItems" | "minProperties":
            return f"{found} is empty; at least {allowed} is needed"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            return f"{found} should be {_BOUNDS[error.validator]} {allowed}"
        case _:
            return error.message


def _hint_at_exponents(value: Any, types: list[str]) -> str:
    """YAML 1.1 reads 1e-3 as text."""
    if not isinstance(value, str) or "number" not in types:
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    mantissa, _, exponent = f"{number:e}".partition("e")
    return f"; write it with a point and a sign, {float(mantissa)}e{int(exponent):+d}"


def contradictions(task: Mapping[str, Any], facts: Any) -> Iterator[tuple[str, str]]:
    """Yield what a schema can't express: the keys of a task's settings that contradict others, and how.

    ``facts`` are those of the task's file: its constant ``ordered`` names pairs of keys in order.
    """
    yield from _chunk_contradictions(task["meta_training"])
    yield from _early_contradictions(task)
    yield from _search_contradictions(task["meta_search"], task["meta_training"])
    yield from _tuning_contradictions(task["tuning"], task["steps"])
    problem = task["problem"]
    for smaller, larger in facts.constants.get("ordered", ()):
        if problem[smaller] > problem[larger]:
            yield (
                f"problem.{smaller}",
                f"{problem[smaller]} should be at most {larger} ({problem[larger]})",
            )
    gradients = task["analysis"]["gradients"]
    if gradients["log10_smallest"] >= gradients["log10_largest"]:
        yield (
            "analysis.gradients.log10_smallest",
            f"{gradients['log10_smallest']} should be less than log10_largest "
            f"({gradients['log10_largest']})",
        )


def _chunk_contradictions(training: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Validation and the end of training fall on the ends of jitted chunks."""
    steps, interval, chunk = (training[k] for k in ("meta_steps", "validation_interval", "chunk"))
    if interval % chunk:
        yield (
            "meta_training.validation_interval",
            f"{interval} should be a multiple of chunk ({chunk})",
        )
    if steps % interval:
        yield (
            "meta_training.meta_steps",
            f"{steps} should be a multiple of validation_interval ({interval})",
        )


def _early_contradictions(task: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The early optimizer is another one, and ends no later than the others, with a validation."""
    early, training = task["early"], task["meta_training"]
    if early is None:
        return
    if early["seed"] in task["seeds"]:
        yield "early.seed", f"{early['seed']} should not be one of seeds ({task['seeds']})"
    interval = training["validation_interval"]
    if early["meta_steps"] % interval:
        yield (
            "early.meta_steps",
            f"{early['meta_steps']} should be a multiple of validation_interval ({interval})",
        )
    if early["meta_steps"] > training["meta_steps"]:
        yield (
            "early.meta_steps",
            f"{early['meta_steps']} should be at most meta_training.meta_steps "
            f"({training['meta_steps']})",
        )


def _search_contradictions(
    search: Mapping[str, Any], training: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Rungs go on with fewer trials for longer, and end with a validation."""
    interval, rungs = training["validation_interval"], search["rungs"]
    for number, rung in enumerate(rungs):
        if rung["meta_steps"] % interval:
            yield (
                f"meta_search.rungs.{number}.meta_steps",
                f"{rung['meta_steps']} should be a multiple of validation_interval ({interval})",
            )
    for number, (earlier, later) in enumerate(pairwise(rungs), start=1):
        if later["trials"] > earlier["trials"] or later["meta_steps"] <= earlier["meta_steps"]:
            yield (
                f"meta_search.rungs.{number}",
                f"{json.dumps(later)} should have no more trials than the rung before and more "
                f"meta_steps; that has {json.dumps(earlier)}",
            )
    yield from _range_contradictions("meta_search.ranges", search["ranges"])


def _tuning_contradictions(tuning: Mapping[str, Any], steps: int) -> Iterator[tuple[str, str]]:
    """A rung is a cheaper version of the full search."""
    for number, rung in enumerate(tuning["rungs"]):
        for key, most, name in (
            ("problems", tuning["problems"], "tuning.problems"),
            ("steps", steps, "steps"),
        ):
            if rung[key] > most:
                yield (
                    f"tuning.rungs.{number}.{key}",
                    f"{rung[key]} should be at most {name} of the task ({most})",
                )
    for optimizer, ranges in tuning["ranges"].items():
        yield from _range_contradictions(f"tuning.ranges.{optimizer}", ranges)


def _range_contradictions(
    prefix: str, ranges: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    for name, bounds in ranges.items():
        low, high, scale = bounds["low"], bounds["high"], bounds["scale"]
        if low >= high:
            yield f"{prefix}.{name}.low", f"{low} should be less than high ({high})"
        if scale == "log" and low <= 0:
            yield f"{prefix}.{name}.low", f"{low} should be greater than 0 on the scale log"
        if scale == "log_one_minus" and high >= 1:
            yield (
                f"{prefix}.{name}.high",
                f"{high} should be less than 1 on the scale log_one_minus",
            )
