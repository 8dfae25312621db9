"""Learned optimizers, one family a file: networks whose weights meta-training learns.

A new family is a new file with a frozen dataclass that extends ``base.LearnedFamily``; the file's name
is what ``optimizer: {family: ...}`` calls it in ``config.yaml``. Nothing else has to be touched.
Importing this package imports no family, and no JAX.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lopt.extensions import FAMILIES

if TYPE_CHECKING:
    from lopt.learned.base import LearnedFamily

__all__ = ["FAMILIES", "make_family"]

UNNAMED = "gru"  # the family of settings that name none: there was no other when they were stored


def make_family(settings: Mapping[str, Any]) -> LearnedFamily:
    """Return the family that ``settings`` describe: its name under ``family``, and its parameters.

    >>> make_family({"family": "gru", "units": 8})
    GRU(units=8, input_scale=1.0, output_scale=1.0)

    Raises:
        ValueError: if there is no such family, or a parameter is unknown, missing or out of its bounds.
    """
    if not isinstance(settings, Mapping):
        raise ValueError(
            f"the settings are {settings!r}, expected a mapping: family, and its parameters"
        )
    parameters = dict(settings)
    name = parameters.pop("family", UNNAMED)
    return FAMILIES.make(name, parameters)
