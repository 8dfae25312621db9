r"""The GRU step with a hand-written derivative, for meta-training.

Reverse-mode autodiff keeps every intermediate of the step. This pair keeps four arrays (state, two
gates, candidate) and splits the derivative in two:

* ``step_adjoint`` carries the cotangents of state and gradient backward through one step and returns
  the cotangents delta of the three pre-activations,

      c_bar = (1 - u) h'_bar,          delta_c = (1 - c^2) c_bar,       q_bar = W_c delta_c
      delta_u = u (1 - u) (h - c) h'_bar,    delta_r = r (1 - r) h q_bar
      h_bar = u h'_bar + r q_bar + W_u delta_u + W_r delta_r,    g_bar = A . delta

* ``weights_adjoint`` turns the deltas of *many* steps into the gradient of theta with one large matrix
  product per weight matrix, instead of adding a small product to an accumulator at every step.

Arrays are row-wise: a row is one component of one problem. Semantics are those of ``gru.GRU``;
the tests hold both against each other in float64.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lopt.optimizers.gru import GRU, GRUTheta

__all__ = ["Residuals", "step", "step_adjoint", "weights_adjoint"]


class Residuals(NamedTuple):
    """What the backward pass needs of one step (or, stacked, of many)."""

    h: Float[Array, "*steps rows units"]
    update_gate: Float[Array, "*steps rows units"]
    reset_gate: Float[Array, "*steps rows units"]
    candidate: Float[Array, "*steps rows units"]
    g: Float[Array, "*steps rows"]


def step(
    family: GRU, theta: GRUTheta, h: Float[Array, "rows units"], g: Float[Array, " rows"]
) -> tuple[Float[Array, "rows units"], Float[Array, " rows"], Residuals]:
    """Return the next state, the update, and what the backward pass needs."""
    units = family.units
    drive = (family.input_scale * g)[:, None] * theta.input_weights + theta.biases
    gates = jax.nn.sigmoid(h @ theta.recurrent_weights[:, : 2 * units] + drive[:, : 2 * units])
    u, r = gates[:, :units], gates[:, units:]
    c = jnp.tanh((r * h) @ theta.recurrent_weights[:, 2 * units :] + drive[:, 2 * units :])
    h_next = u * h + (1.0 - u) * c
    update = family.output_scale * (h_next @ theta.readout_weights + theta.readout_bias)
    return h_next, update, Residuals(h, u, r, c, g)


def step_adjoint(
    family: GRU,
    theta: GRUTheta,
    residuals: Residuals,
    h_next_bar: Float[Array, "rows units"],
    update_bar: Float[Array, " rows"],
) -> tuple[Float[Array, "rows units"], Float[Array, " rows"], Float[Array, "rows gates"]]:
    """Return the cotangents of the state, of the gradient, and of the pre-activations."""
    units = family.units
    h, u, r, c, _ = residuals
    h_next_bar = h_next_bar + (family.output_scale * update_bar)[:, None] * theta.readout_weights
    delta_c = (1.0 - u) * (1.0 - c * c) * h_next_bar
    q_bar = delta_c @ theta.recurrent_weights[:, 2 * units :].T
    delta_u = u * (1.0 - u) * (h - c) * h_next_bar
    delta_r = r * (1.0 - r) * h * q_bar
    delta_gates = jnp.concatenate([delta_u, delta_r], axis=1)
    h_bar = u * h_next_bar + r * q_bar + delta_gates @ theta.recurrent_weights[:, : 2 * units].T
    deltas = jnp.concatenate([delta_gates, delta_c], axis=1)
    return h_bar, family.input_scale * (deltas @ theta.input_weights), deltas


def weights_adjoint(
    family: GRU,
    residuals: Residuals,
    deltas: Float[Array, "steps rows gates"],
    last_h: Float[Array, "rows units"],
    update_bars: Float[Array, "steps rows"],
) -> GRUTheta:
    """Return the gradient of theta from the cotangents of ``steps`` consecutive steps.

    ``last_h`` is the state after the last step. The entry of the initial state is zero: its
    cotangent is what the backward recursion ends with.
    """
    units = family.units
    flat = Residuals(*(array.reshape(-1, *array.shape[2:]) for array in residuals))
    deltas = deltas.reshape(-1, 3 * units)
    recurrent = jnp.concatenate(
        [
            flat.h.T @ deltas[:, : 2 * units],
            (flat.reset_gate * flat.h).T @ deltas[:, 2 * units :],
        ],
        axis=1,
    )
    # The readout sees the states *after* each step: the stored ones shifted by one, and the last.
    readout = jnp.einsum("tru,tr->u", residuals.h[1:], update_bars[:-1]) + update_bars[-1] @ last_h
    return GRUTheta(
        initial_state=jnp.zeros_like(last_h[0]),
        input_weights=family.input_scale * (flat.g @ deltas),
        recurrent_weights=recurrent,
        biases=jnp.sum(deltas, axis=0),
        readout_weights=family.output_scale * readout,
        readout_bias=family.output_scale * jnp.sum(update_bars),
    )
