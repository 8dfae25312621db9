"""What public functions demand of a number that they are given, told in one line.

Each takes the argument's name first, for the message, and returns the number as plain Python has it.
"""

import operator
from typing import Any, Literal

import numpy as np

__all__ = ["finite", "positive", "whole", "whole_or_late"]


def whole(name: str, value: Any, least: int = 1) -> int:
    """Return ``value`` if it is one whole number of at least ``least``.

    >>> whole("steps", 200.5)
    Traceback (most recent call last):
    ValueError: steps is 200.5, expected a whole number of at least 1

    Raises:
        ValueError: if it is not.
    """
    try:
        found = None if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        found = None
    if found is None or found < least:
        raise ValueError(f"{name} is {value!r}, expected a whole number of at least {least}")
    return found


def whole_or_late(name: str, value: Any) -> int | Literal["late"]:
    """Return ``value`` if it is "late" or a whole number of at least 0: a step at which something is held.

    Raises:
        ValueError: if it is neither.
    """
    if isinstance(value, str) and value == "late":
        return "late"
    try:
        return whole(name, value, least=0)
    except ValueError as error:
        raise ValueError(f"{error}, or 'late'") from None


def finite(name: str, value: Any) -> float:
    """Return ``value`` if it is one finite real number.

    Raises:
        ValueError: if it is not.
    """
    found = _number(value)
    if not np.isfinite(found):
        raise ValueError(f"{name} is {value!r}, expected a finite number")
    return found


def positive(name: str, value: Any) -> float:
    """Return ``value`` if it is one finite number greater than 0.

    Raises:
        ValueError: if it is not.
    """
    found = _number(value)
    if not (np.isfinite(found) and found > 0.0):
        raise ValueError(f"{name} is {value!r}, expected a finite number greater than 0")
    return found


def _number(value: Any) -> float:
    """NaN for what is no real number: booleans, texts, arrays of several, complex ones."""
    if (
        isinstance(value, (bool, np.bool_, str, bytes))
        or np.iscomplexobj(value)
        or np.size(value) != 1
    ):
        return float("nan")
    try:
        return float(np.asarray(value).reshape(()))
    except (TypeError, ValueError):
        return float("nan")
