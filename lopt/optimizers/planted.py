r"""Optimizers planted with known modes: a linear one, and a gated recurrent unit.

``plant_modes`` hides given modes behind a random basis: a linear map h' = J h + j g, dx = r^T h'
whose eigenvalues and learning rates are known. ``plant_gru`` makes a nonlinear optimizer with
that linear part.

Where a GRU does not move, h' = u h + (1 - u) c = h, its candidate equals the state, c = h. There
the update gate has no first-order effect, and with a constant reset gate r

    J = dF/dh = diag(u) + diag((1 - u)(1 - h*^2)) W_c diag(r),
    j = dF/dg = (1 - u)(1 - h*^2) A_c,                 with u taken at (h*, g = 0).

These are solved for W_c, A_c and b_c (so that c(h*) = h*): any h* in (-1, 1)^n, J and j can be
planted, whatever the update gate's own weights are. They are drawn at random, so that the
optimizer is nonlinear away from h*. Planting says nothing about the rest of the state space.
"""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, ArrayLike, Complex, Float

from lopt.optimizers.gru import GRUTheta

__all__ = ["plant_gru", "plant_modes"]


def plant_modes(
    generator: np.random.Generator,
    eigenvalues: Complex[ArrayLike, " head"],
    learning_rates: Complex[ArrayLike, " head"],
) -> tuple[Float[Array, "state state"], Float[Array, " state"], Float[Array, " state"]]:
    """Return J, j and r of a linear optimizer with given modes, in a random basis.

    A real entry is one mode. An entry with a positive imaginary part stands for itself and its
    conjugate: two state variables, an oscillation. The basis is an orthogonal one times a mild
    shear.

    >>> with jax.enable_x64(True):
    ...     jacobian, _, _ = plant_modes(np.random.default_rng(0), [0.9, 0.5 + 0.1j], [1.0, 2.0])
    >>> jacobian.shape
    (3, 3)
    """
    blocks, inputs, outputs = [], [], []
    for value, rate in zip(eigenvalues, learning_rates, strict=True):
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


def plant_gru(
    generator: np.random.Generator,
    point: Float[Array, " units"],
    jacobian: Float[Array, "units units"],
    input_vector: Float[Array, " units"],
    readout_vector: Float[Array, " units"],
    *,
    gate_scale: float = 0.5,
) -> GRUTheta:
    """Return the theta of a GRU (both scales 1) with a fixed point, its derivatives and readout given.

    Args:
        generator: draws the update gate's weights and the reset gate's biases.
        point: h*, every entry in (-1, 1).
        jacobian: J = dF/dh at h*.
        input_vector: j = dF/dg at h*.
        readout_vector: r; the bias is chosen so that the update at h* is 0.
        gate_scale: size of the random weights (they are divided by sqrt(units)).

    Raises:
        ValueError: if an entry of ``point`` is not in (-1, 1).
    """
    if not bool(jnp.all(jnp.abs(point) < 1.0)):
        raise ValueError("point has entries outside (-1, 1), where no GRU has a fixed point")
    units, dtype = len(point), point.dtype
    scale = gate_scale / units**0.5
    update_recurrent = scale * jnp.asarray(generator.standard_normal((units, units)), dtype)
    update_input = scale * jnp.asarray(generator.standard_normal(units), dtype)
    update_bias, reset_bias = jnp.asarray(generator.standard_normal((2, units)), dtype)
    u = jax.nn.sigmoid(point @ update_recurrent + update_bias)
    r = jax.nn.sigmoid(reset_bias)
    # The step multiplies rows, h @ W: column i of W feeds unit i, hence the transposes.
    gain = (1.0 - u) * (1.0 - point**2)
    candidate_recurrent = ((jacobian - jnp.diag(u)) / gain[:, None] / r[None, :]).T
    zeros = jnp.zeros((units, units), dtype)
    return GRUTheta(
        initial_state=jnp.zeros(units, dtype),
        input_weights=jnp.concatenate([update_input, zeros[0], input_vector / gain]),
        recurrent_weights=jnp.concatenate([update_recurrent, zeros, candidate_recurrent], axis=1),
        biases=jnp.concatenate(
            [update_bias, reset_bias, jnp.arctanh(point) - (r * point) @ candidate_recurrent]
        ),
        readout_weights=readout_vector,
        readout_bias=-(readout_vector @ point),
    )
