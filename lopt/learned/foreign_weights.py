r"""Weights that were trained elsewhere, as the theta of a family of learned optimizers.

    family = lopt.GRU(units=20)
    theta = lopt.read_weights("released.safetensors", family, {
        "input_weights": "gru/w_i",                                   the array of that name, as it is
        "recurrent_weights": lambda arrays: arrays["gru/w_h"].T,      or whatever makes it of all of them
        "initial_state": np.zeros(20),                                or an array
    })
    lopt.analyze((family, theta), "linear_regression")

A field that is not mentioned is the file's array of the field's own name. Whether conventions agree (the
order of gates, a reset gate before or after the product, the sign of the update) no shape can tell: compare
an update with one of the other implementation.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from lopt.learned.base import LearnedFamily
from lopt.learned.theta import named, shaped
from lopt.records.entries import brief
from lopt.records.foreign_arrays import read_arrays
from lopt.records.store import StoreError

__all__ = ["read_weights"]

Source = str | Callable[[Mapping[str, np.ndarray]], np.ndarray] | Float[np.ndarray, "..."]


def read_weights(
    path: str | Path, family: LearnedFamily, names: Mapping[str, Source] | None = None
) -> Any:
    """Return the arrays of a safetensors or npz file as a theta of ``family``, in float32.

    Args:
        path: of the file.
        family: with its sizes: ``lopt.MLP(units=32)``.
        names: for fields of the theta, what they are called in the file, or a function of all of the file's
            arrays, or the array itself.

    Raises:
        StoreError: if the file is missing or damaged, lacks an array, or an array is not finite or of
            another shape than the family needs; the message names the field, the array and both shapes.
        ValueError: if ``family`` is none, if ``names`` is no mapping or names what is no field of the theta,
            or a function of it fails.
    """
    if isinstance(family, type) or not hasattr(family, "theta_type"):
        raise ValueError(
            f"the family is {brief(repr(family))}, expected one with its sizes, as lopt.MLP(units=32)"
        )
    if names is not None and not isinstance(names, Mapping):
        raise ValueError(f"names is a {type(names).__name__}, expected a dictionary of fields")
    arrays, names = read_arrays(path), dict(names or {})
    expected = jax.eval_shape(family.init, jax.random.key(0))
    fields = named(expected)
    if unknown := sorted(names.keys() - set(fields)):
        raise ValueError(
            f"names has {', '.join(map(str, unknown))}; a theta of the {family.label} has "
            f"{', '.join(fields)}"
        )
    found = {}
    for field, wanted in fields.items():
        source = names[field] if field in names else field
        found[field] = _checked(path, field, source, arrays, wanted.shape, family)
    return family.check(shaped(expected, found))


def _checked(
    path: str | Path,
    field: str,
    source: Source,
    arrays: Mapping[str, np.ndarray],
    shape: tuple[int, ...],
    family: LearnedFamily,
) -> Float[np.ndarray, "..."]:
    where = f"{path}: {field}"
    if isinstance(source, str):
        if source not in arrays:
            listed = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
            raise StoreError(
                f"{where}: there is no array {source!r}; there are {brief(listed) or 'none'}"
            )
        array = arrays[source]
        where += "" if source == field else f" (there {source})"
    elif callable(source):
        try:
            array = source(arrays)
        except Exception as error:
            # It is the user's function: whatever goes wrong in it is the reason.
            raise ValueError(
                f"what names has for {field} fails ({type(error).__name__}: {error}); the file has "
                f"{brief(', '.join(arrays)) or 'no arrays'}"
            ) from None
        where += " (as made of the file's arrays)"
    else:
        array, where = source, f"{where} (as given)"
    try:
        array = np.asarray(array)
    except ValueError:
        raise StoreError(f"{where} is no array: its rows differ in length") from None
    if array.dtype.kind not in "fiu":
        raise StoreError(f"{where} is {array.dtype}, expected real numbers")
    if array.shape != shape:
        raise StoreError(
            f"{where} has shape {list(array.shape)}, but the {family.label} of {family.size} needs "
            f"{list(shape)}"
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.all(np.isfinite(array)):
        raise StoreError(f"{where} holds what is not a finite number (in float32)")
    return array
