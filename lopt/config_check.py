"""What can be wrong with a configuration, in the words of its user.

``schema_error`` finds what breaks the JSON schema, ``contradictions`` what no schema can
express: settings that contradict one another. Both name the key, the value, and what is allowed.
"""

import difflib
import math
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from jsonschema.validators import extend

from lopt.found import found, key_path, listed
from lopt.unroll_memory import least_unroll_bytes

__all__ = [
    "chunk_contradictions",
    "contradictions",
    "memory_contradictions",
    "range_contradictions",
    "schema_error",
]

LARGEST_NUMBER = 3.4e38  # of float32, in which meta-training computes
LARGEST_INTEGER = 2**63 - 1


def _is_number(_: Any, value: Any) -> bool:
    return _is_real(value) and abs(value) <= LARGEST_NUMBER  # false of nan


def _is_integer(_: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_INTEGER


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# JSON schema takes 2.0 for an integer; a number of steps has to be one. YAML can write .nan and .inf, and
# numbers beyond what the machine's hold.
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
    told = _explain(str(error.validator), error.instance, error.validator_value, error.schema)
    return key_path(error.absolute_path) or "(top level)", told


def _explain(rule: str, value: Any, allowed: Any, schema: Any) -> str:
    """Say what was found and what is allowed, in the words of the user, not of JSON schema.

    ``rule`` is the keyword that ``value`` breaks: in ``schema`` it has the value ``allowed``.
    """
    match rule:
        case "type" if _is_left_empty(value, allowed):
            return "is empty: write {} for no changes, or take the key away"
        case "type" | "pattern" if "title" in schema:
            return f"{found(value)} should be {schema['title']}{_hint_at_text(value)}"
        case "type":
            return _explain_type(value, [allowed] if isinstance(allowed, str) else allowed)
        case "additionalProperties":
            return _explain_unknown(value, schema["properties"])
        case "required":
            return f"missing key {listed(sorted(set(allowed) - set(value)))}"
        case "enum":
            return f"{found(value)} is not one of {listed(allowed)}"
        case "pattern":
            return f"{found(value)} should be of lower-case letters, digits and _, a letter first"
        case "uniqueItems":
            return f"{found(value)} names an entry twice; each may stand once"
        case "minItems" | "minProperties" | "minLength":
            return f"{found(value)} is empty; at least {allowed} is needed"
        case "maxLength":
            return f"{found(value)} should be of at most {allowed} characters"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            return f"{found(value)} should be {_BOUNDS[rule]} {allowed}"
        case _:  # a keyword that only an extension's schema could have
            return f"{found(value)} breaks the rule {rule}: {found(allowed)}"


def _is_left_empty(value: Any, types: Any) -> bool:
    """Whether nothing was written where a mapping may stand."""
    return value is None and "object" in types


def _explain_unknown(value: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    unknown = sorted(set(value) - set(known))
    close = difflib.get_close_matches(unknown[0][:40], known, n=1)
    hint = f"; did you mean {close[0]}?" if close and len(known) > 1 else ""
    return f"unknown key {listed(unknown, 50)}; allowed are {listed(sorted(known))}{hint}"


def _explain_type(value: Any, types: list[str]) -> str:
    text = f"{found(value)} should be {' or '.join(_TYPES[name] for name in types)}"
    if "integer" in types and _is_real(value) and abs(value) > LARGEST_INTEGER:
        return f"{text} of 64 bits"
    if "number" in types and _is_real(value) and LARGEST_NUMBER < abs(value) < math.inf:
        return f"{text}; the largest is {LARGEST_NUMBER}"
    return text + (_hint_at_text(value) if "string" not in types else "")


_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def _hint_at_text(value: Any) -> str:
    """Say why something that looks like a number, a list or a mapping is text."""
    if not isinstance(value, str):
        return ""
    text = value.strip()[:40]
    if _FLOAT.fullmatch(text) and re.search("[eE]", text) and math.isfinite(float(text)):
        # YAML 1.1 reads 1e-3 as text.
        mantissa, _, exponent = f"{float(text):e}".partition("e")
        return f"; write it with a point and a sign, {float(mantissa)}e{int(exponent):+d}"
    if _FLOAT.fullmatch(text) or text[:1] in ("{", "[") or text.lower() in _WORDS:
        return "; in quotation marks, or inside a value of --config, it is text: use --configfile"
    return ""


_WORDS = ("true", "false", "null", "~", "on", "off", "yes", "no", ".nan", ".inf")


def contradictions(task: Mapping[str, Any], facts: Any) -> Iterator[tuple[str, str]]:
    """Yield what a schema can't express: the keys of a task's settings that contradict others, and how.

    ``facts`` are those of the task's file: its constant ``ordered`` names pairs of keys in order.
    """
    yield from chunk_contradictions(task["meta_training"])
    yield from _early_contradictions(task)
    yield from _search_contradictions(task["meta_search"], task["meta_training"])
    yield from _tuning_contradictions(task["tuning"], task["steps"])
    for smaller, larger in facts.constants.get("ordered", ()):
        for block in ("problem", "meta_training_problem"):
            problem = task["problem"] | ((block != "problem" and task[block]) or {})
            if problem[smaller] > problem[larger]:
                yield (
                    f"{block}.{smaller}",
                    f"{problem[smaller]} should be at most {larger} ({problem[larger]})",
                )
    gradients = task["analysis"]["gradients"]
    if gradients["log10_smallest"] >= gradients["log10_largest"]:
        yield (
            "analysis.gradients.log10_smallest",
            f"{gradients['log10_smallest']} should be less than log10_largest "
            f"({gradients['log10_largest']})",
        )
    for block in ("evaluation", "interventions"):
        problems = min(task[block]["problems"], task["evaluation"]["problems"])
        if (parts := task[block]["parts"]) > problems:
            yield (
                f"{block}.parts",
                f"{parts} should be at most the number of problems ({problems})",
            )


def chunk_contradictions(training: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
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
        yield "early.seed", f"{early['seed']} should not be one of seeds {found(task['seeds'])}"
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
                f"{found(later)} should have no more trials than the rung before and more "
                f"meta_steps; that has {found(earlier)}",
            )
    yield from range_contradictions("meta_search.ranges", search["ranges"])


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
    pool = tuning.get("pool")
    if pool is not None and pool < tuning["samples"]:
        yield (
            "tuning.pool",
            f"{pool} should be at least tuning.samples ({tuning['samples']}), or null",
        )
    for optimizer, ranges in tuning["ranges"].items():
        yield from range_contradictions(f"tuning.ranges.{optimizer}", ranges)


def range_contradictions(
    prefix: str, ranges: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with search ranges, by name: their ends, on their scale."""
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


def memory_contradictions(
    task: Mapping[str, Any], task_facts: Any, family_facts: Any
) -> Iterator[tuple[str, str]]:
    """Yield that the budget for meta-training is too small, where the family's file says what it needs.

    Of other families the job says it, in its first second.
    """
    numbers, training = family_facts.constants.get("row_numbers"), task["meta_training"]
    if numbers is None or "units" not in task["optimizer"]:
        return
    problem = task["problem"] | (task["meta_training_problem"] or {})
    stated = task_facts.constants.get("least_components", task_facts.constants.get("components", 1))
    components = _least_components(stated, problem)
    rows, units = components * training["problems"], task["optimizer"]["units"]
    least = least_unroll_bytes(numbers, units, rows, task["steps"]) / 1e9
    if least > training["memory_budget_gb"]:
        yield (
            "meta_training.memory_budget_gb",
            f"{training['memory_budget_gb']} should be at least {least:.3g}: {training['problems']} problems "
            f"of {components} components or more, {units} units and {task['steps']} steps need it",
        )


def _least_components(stated: int | str | tuple[str, str, int], problem: Mapping[str, Any]) -> int:
    if isinstance(stated, tuple):  # convolutions of one image or more, then a dense layer
        channels, sides = (problem[name] for name in stated[:2])
        layers = [
            *zip(pairwise((1, *channels)), sides, strict=False),
            ((channels[-1], stated[2]), 1),
        ]
        return sum(fan_out + side**2 * fan_in * fan_out for (fan_in, fan_out), side in layers)
    number = problem[stated] if isinstance(stated, str) else stated
    if isinstance(
        number, list
    ):  # widths of hidden layers, between one input and one output or more
        layers = pairwise((1, *number, 1))
        return sum(fan_out + fan_in * fan_out for fan_in, fan_out in layers)
    return number
