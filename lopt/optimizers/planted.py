r"""Optimizers planted with known modes.

``plant_modes`` hides given modes behind a random basis: a linear map h' = J h + j g, dx = r^T h'
whose eigenvalues and learning rates are known. ``lopt.learned.planted_gru`` makes a nonlinear
optimizer with that linear part.
"""

import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Complex, Float
from numpy.typing import ArrayLike

__all__ = ["plant_modes"]


def plant_modes(
    generator: np.random.Generator,
    eigenvalues: Complex[ArrayLike, " head"],
    learning_rates: Complex[ArrayLike, " head"],
) -> tuple[Float[Array, "state state"], Float[Array, " state"], Float[Array, " state"]]:
    """Return J, j and r of a linear optimizer with given modes, in a random basis.

    A real entry is one mode. An entry with a positive imaginary part stands for itself and its
    conjugate: two state variables, an oscillation. The basis is an orthogonal one times a mild
    shear.

    >>> import jax
    >>> with jax.enable_x64(True):
    ...     jacobian, _, _ = plant_modes(np.random.default_rng(0), [0.9, 0.5 + 0.1j], [1.0, 2.0])
    >>> jacobian.shape
    (3, 3)
    """
    blocks, inputs, outputs = [], [], []
    for value, rate in zip(np.asarray(eigenvalues), np.asarray(learning_rates), strict=True):
        value, rate = complex(value), complex(rate)
        if value.imag:
            blocks.append(np.array([[value.real, -value.imag], [value.imag, value.real]]))
            inputs += [-rate.real, -rate.imag]
            outputs += [2.0, 0.0]
        else:
            blocks.append(np.array([[value.real]]))
            inputs.append(-rate.real)
            outputs.append(1.0)
    size = len(inputs)
    modal = scipy.linalg.block_diag(*blocks)
    first, second = generator.standard_normal((2, size, size))
    basis = np.linalg.qr(first)[0] @ (np.eye(size) + 0.3 * np.triu(second, 1) / size**0.5)
    inverse = np.linalg.inv(basis)
    return (
        jnp.asarray(basis @ modal @ inverse),
        jnp.asarray(basis @ np.array(inputs)),
        jnp.asarray(np.array(outputs) @ inverse),
    )
