"""Shape annotations, executed: every call of an annotated function of lopt in the tests is held against them.

jaxtyping's import hook hands each function to ``checked``, inside a scope in which a name such as "units"
stands for one length. Arrays of the wrong rank or length raise ShapeError where they are handed over,
not ten calls later. Only annotations of arrays are looked at; other types are the type checker's work.
"""

import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import AbstractArray, Shaped, install_import_hook

__all__ = ["ShapeError", "checked", "install"]


class ShapeError(TypeError):
    """An array has not the shape that an annotation states."""


def install() -> None:
    """Check the functions of every module of lopt that is imported from now on."""
    install_import_hook("lopt", "shapes.checked")


def checked(function: Callable) -> Callable:
    """Return the function with a check of its arrays: what it is given, and what it returns."""
    wanted = {
        name: hint
        for name, hint in getattr(function, "__annotations__", {}).items()
        if _states_a_shape(hint)
    }
    if not wanted:
        return function
    signature = inspect.signature(function)

    @functools.wraps(function)
    def wrapper(*arguments: Any, **keywords: Any) -> Any:
        given = signature.bind(*arguments, **keywords).arguments
        for name, value in given.items():
            if name in wanted and not _fits(value, wanted[name]):
                raise ShapeError(f"{function.__qualname__}: {name} {_told(value, wanted[name])}")
        result = function(*arguments, **keywords)
        if "return" in wanted and not _fits(result, wanted["return"]):
            raise ShapeError(f"{function.__qualname__} returns {_told(result, wanted['return'])}")
        return result

    return wrapper


def _is_array_hint(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, AbstractArray)


def _states_a_shape(hint: Any) -> bool:
    return _is_array_hint(hint) or any(map(_states_a_shape, typing.get_args(hint)))


def _fits(value: Any, hint: Any) -> bool:
    if _is_array_hint(hint):
        if not isinstance(value, jax.Array | np.ndarray):
            return True  # a number for an array, a placeholder inside a transformation
        # NumPy's arrays serve for JAX's, and real numbers for complex ones: the shape is what counts.
        return isinstance(value, Shaped[type(value), hint.dim_str])
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, argument) for argument in arguments)
    if origin is tuple and isinstance(value, tuple):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(_fits(entry, arguments[0]) for entry in value)
        return len(arguments) == len(value) and all(map(_fits, value, arguments))
    return True


def _told(value: Any, hint: Any) -> str:
    found = jax.tree.map(lambda leaf: f"{leaf.dtype}{leaf.shape}", value)
    return f"is {found}, expected {hint}"
