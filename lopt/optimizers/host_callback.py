"""Functions in NumPy or PyTorch, called from compiled programs with float64 as it is.

``jax.pure_callback`` hands arrays over through JAX of the thread that calls back, mostly one of XLA's own.
There ``jax.enable_x64`` of the program's thread isn't known: float64 arrives as float32, and what is returned
is refused. Here float64 travels as its bits, in pairs of uint32, which no setting changes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

__all__ = ["call_host"]


def call_host(
    function: Callable[..., Sequence[np.ndarray]],
    results: Sequence[jax.ShapeDtypeStruct],
    *arguments: Array,
    vmap_method: str,
) -> tuple[Array, ...]:
    """Return what a function of arrays returns, called on the host when the program runs.

    Args:
        function: of NumPy arrays; what it returns is cast to the types of ``results``.
        results: shapes and types of the arrays that it returns.
        arguments: its arguments.
        vmap_method: as of ``jax.pure_callback``.

    >>> def half(x):
    ...     return (0.5 * x,)
    >>> with jax.enable_x64(True):
    ...     x = jnp.asarray(1.0 + 2.0**-50)
    ...     (found,) = call_host(half, [jax.ShapeDtypeStruct((), x.dtype)], x, vmap_method="sequential")
    ...     float(2.0 * found - 1.0) == 2.0**-50
    True
    """
    wide = [_is_wide(argument.dtype) for argument in arguments]

    def called(*given: Any) -> tuple[np.ndarray, ...]:
        arrays = (
            _from_bits(np.asarray(array)) if bits else np.asarray(array)
            for array, bits in zip(given, wide, strict=True)
        )
        found = function(*arrays)
        return tuple(
            _to_bits(np.asarray(array, np.float64))
            if _is_wide(result.dtype)
            else np.asarray(array, result.dtype)
            for array, result in zip(found, results, strict=True)
        )

    found = jax.pure_callback(
        called,
        [
            jax.ShapeDtypeStruct((*result.shape, 2), jnp.uint32)
            if _is_wide(result.dtype)
            else result
            for result in results
        ],
        *(
            jax.lax.bitcast_convert_type(argument, jnp.uint32) if bits else argument
            for argument, bits in zip(arguments, wide, strict=True)
        ),
        vmap_method=vmap_method,
    )
    return tuple(
        jax.lax.bitcast_convert_type(array, result.dtype) if _is_wide(result.dtype) else array
        for array, result in zip(found, results, strict=True)
    )


def _is_wide(dtype: Any) -> bool:
    return np.dtype(dtype) == np.float64


def _to_bits(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).view(np.uint32).reshape(*array.shape, 2)


def _from_bits(bits: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(bits).view(np.float64)[..., 0]
