r"""A gated recurrent unit planted with a known fixed point, spectrum and learning rates.

The linear part is given, for example that of ``lopt.optimizers.planted.plant_modes``.

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
from jaxtyping import Array, Float

from lopt.learned.gru import GRUTheta

__all__ = ["plant_gru"]


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
