"""Learned optimizers, one family a file: networks whose weights meta-training learns.

A new family is a new file with a frozen dataclass that extends ``base.LearnedFamily``; the file's name
is what ``optimizer: {family: ...}`` calls it in ``config.yaml``. Nothing else has to be touched.
Importing this package imports no family, and no JAX.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lopt.config_check import schema_error
from lopt.facts import json_schema
from lopt.registry import Registry

if TYPE_CHECKING:
    from lopt.learned.base import LearnedFamily

__all__ = ["FAMILIES", "make_family"]

FAMILIES = Registry("lopt.learned", "LearnedFamily")
UNNAMED = "gru"  # the family of settings that name none: there was no other when they were stored


def make_family(settings: Mapping[str, Any]) -> LearnedFamily:
    """Return the family that ``settings`` describe: its name under ``family``, and its parameters.

    >>> make_family({"family": "gru", "units": 8})
    GRU(units=8, input_scale=1.0, output_scale=1.0)

    Raises:
        ValueError: if there is no such family, or a parameter is unknown, missing or out of its bounds.
    """
    parameters = dict(settings)
    name = parameters.pop("family", UNNAMED)
    wrong = schema_error(parameters, json_schema(FAMILIES.facts(name)))
    if wrong:
        raise ValueError(f"learned family {name!r}, {wrong[0]}: {wrong[1]}")
    return FAMILIES.load(name)(
        **{
            key: tuple(value) if isinstance(value, list) else value
            for key, value in parameters.items()
        }
    )
