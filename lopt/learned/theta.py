"""A theta as arrays with names, and back: what the file of an optimizer holds.

    named(theta)                 {"weights": ..., "layers.0.bias": ...}: each array by the way to it
    shaped(template, arrays)     the same pytree again

A theta is any pytree of arrays. Of a NamedTuple of arrays the names are its fields.
"""

from collections.abc import Mapping
from typing import Any

import jax

__all__ = ["is_flat", "named", "shaped"]


def named(theta: Any) -> dict[str, Any]:
    """Return the arrays of a theta by name, in the order of its leaves.

    >>> named({"layers": [1.0, 2.0], "bias": 3.0})
    {'bias': 3.0, 'layers.0': 1.0, 'layers.1': 2.0}

    Raises:
        ValueError: if two have one name, as in {"a": {"b": ...}, "a.b": ...}.
    """
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(theta):
        name = jax.tree_util.keystr(path, simple=True, separator=".") or "theta"
        if name in found:
            raise ValueError(f"theta has two arrays called {name}; rename one")
        found[name] = leaf
    return found


def shaped(template: Any, arrays: Mapping[str, Any]) -> Any:
    """Return a pytree like ``template`` of arrays by name.

    Raises:
        ValueError: if there is an array too many or one too few.
    """
    names = list(named(template))
    if set(arrays) != set(names):
        raise ValueError(f"has the arrays {list(arrays)}, expected {names}")
    return jax.tree.unflatten(jax.tree.structure(template), [arrays[name] for name in names])


def is_flat(theta: Any) -> bool:
    """Whether a theta is a NamedTuple of arrays, whose annotations say what each of them is."""
    fields = getattr(theta, "_fields", None)
    return fields is not None and tuple(named(theta)) == tuple(fields)
