r"""The GRU step with a hand-written derivative, for meta-training.

Reverse-mode autodiff keeps every intermediate of the step. ``step`` keeps four arrays (state, two
gates, candidate), and ``step_adjoint`` carries the cotangents of state and update backward through it:

    c_bar = (1 - u) h'_bar,                delta_c = (1 - c^2) c_bar,       q_bar = W_c delta_c
    delta_u = u (1 - u) (h - c) h'_bar,    delta_r = r (1 - r) h * q_bar
    h_bar = u h'_bar + r q_bar + W_u delta_u + W_r delta_r,    g_bar = A . delta
    W_u_bar = h^T delta_u,    W_r_bar = h^T delta_r,    W_c_bar = (r * h)^T delta_c

with the deltas the cotangents of the three pre-activations. Every product is handed over as rows times
columns, its operands transposed beforehand: XLA's products of a transposed left operand run at half the
rate on CPUs.

Arrays are row-wise: a row is one component of one problem. Semantics are those of ``gru.GRU``;
the tests hold both against each other in float64.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.lax import optimization_barrier
from jaxtyping import Array, Float

from lopt.optimizers.gru import GRU, GRUTheta

__all__ = ["Residuals", "step", "step_adjoint"]


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
) -> tuple[Float[Array, "rows units"], Float[Array, " rows"], GRUTheta]:
    """Return the cotangents of the state, of the gradient, and of theta through this step.

    Theta's ``initial_state`` gets zero: its cotangent is the state's, once the recursion is through.
    """
    units = family.units
    h, u, r, c, g = residuals
    h_next_bar = h_next_bar + (family.output_scale * update_bar)[:, None] * theta.readout_weights
    # The barrier keeps XLA from folding the transposition back into the products.
    weights = optimization_barrier(theta.recurrent_weights.T)
    delta_c = (1.0 - u) * (1.0 - c * c) * h_next_bar
    q_bar = delta_c @ weights[2 * units :]
    delta_u = u * (1.0 - u) * (h - c) * h_next_bar
    delta_r = r * (1.0 - r) * h * q_bar
    delta_gates = jnp.concatenate([delta_u, delta_r], axis=1)
    h_bar = u * h_next_bar + r * q_bar + delta_gates @ weights[: 2 * units]
    deltas = jnp.concatenate([delta_gates, delta_c], axis=1)
    g_bar = family.input_scale * (deltas @ theta.input_weights)
    h_across, reset_h_across = optimization_barrier((h.T, (r * h).T))
    h_next = u * h + (1.0 - u) * c
    theta_bar = GRUTheta(
        initial_state=jnp.zeros_like(theta.initial_state),
        input_weights=family.input_scale * (g @ deltas),
        recurrent_weights=jnp.concatenate(
            [h_across @ delta_gates, reset_h_across @ delta_c], axis=1
        ),
        biases=jnp.sum(deltas, axis=0),
        readout_weights=family.output_scale * (update_bar @ h_next),
        readout_bias=family.output_scale * jnp.sum(update_bar),
    )
    return h_bar, g_bar, theta_bar
