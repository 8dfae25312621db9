r"""The component-wise gated recurrent unit: the learned optimizer of the paper.

With gradient g (scaled by ``input_scale``) and state h of ``units`` numbers,

    u  = sigmoid(A_u g + W_u h + b_u)             update gate
    r  = sigmoid(A_r g + W_r h + b_r)             reset gate
    c  = tanh(A_c g + W_c (r * h) + b_c)          candidate
    h' = u * h + (1 - u) * c
    dx = output_scale * (w . h' + b)

The reset gate acts *before* the recurrent product (Cho et al. 2014). cuDNN, flax and equinox apply it
after: a different function, which is why none of their cells is used. The initial state is part of
theta. Weights start as N(0, 1/units) (fan-in = units, for the input weights too), biases and the
initial state at 0, and the readout at 0: an untrained optimizer does nothing.

The gates' weights are stored side by side, in the order update, reset, candidate.

Meta-training has the derivative of a step by hand. Reverse-mode autodiff would keep every intermediate;
``step`` keeps four arrays (state, two gates, candidate), and ``step_adjoint`` carries the cotangents of
state and update backward through it:

    c_bar = (1 - u) h'_bar,                delta_c = (1 - c^2) c_bar,       q_bar = W_c delta_c
    delta_u = u (1 - u) (h - c) h'_bar,    delta_r = r (1 - r) h * q_bar
    h_bar = u h'_bar + r q_bar + W_u delta_u + W_r delta_r,    g_bar = A . delta
    W_u_bar = h^T delta_u,    W_r_bar = h^T delta_r,    W_c_bar = (r * h)^T delta_c

with the deltas the cotangents of the three pre-activations. Every product is handed over as rows times
columns, its operands transposed beforehand: XLA's products of a transposed left operand run at half the
rate on CPUs. The tests hold the step and its derivative against ``component`` in float64.

Source: arXiv 2011.02159, section 3 and appendix; the authors' released code for the conventions.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.lax import optimization_barrier
from jaxtyping import Array, Float, PyTree

from lopt.fields import Positive, Size
from lopt.learned.adjoint import adjoint_meta_gradient
from lopt.learned.base import LearnedFamily
from lopt.optimizers.component import ComponentOptimizer
from lopt.tasks import Task
from lopt.unroll_memory import unroll_bytes

__all__ = ["GRU", "GRUTheta", "Residuals", "step", "step_adjoint"]


class GRUTheta(NamedTuple):
    """Parameters of the optimizer: what meta-training learns. ``gates`` is 3 times ``units``."""

    initial_state: Float[Array, " units"]
    input_weights: Float[Array, " gates"]
    recurrent_weights: Float[Array, "units gates"]
    biases: Float[Array, " gates"]
    readout_weights: Float[Array, " units"]
    readout_bias: Float[Array, ""]


@dataclass(frozen=True)
class GRU(LearnedFamily):
    """The family of gated recurrent optimizers with ``units`` state variables per component."""

    theta_type: ClassVar[type] = GRUTheta
    label: ClassVar[str] = "GRU"
    sizes: ClassVar[tuple[str, ...]] = ("units",)
    row_numbers: ClassVar[tuple[tuple[int, int], ...]] = ((4, 2), (1, 1), (9, 0))

    units: Size = 256
    """[state variables] Width of the state, per component."""
    input_scale: Positive = 1.0
    """[per gradient] What the gradient is multiplied by before the network reads it."""
    output_scale: Positive = 1.0
    """[of a parameter] What the network's output is multiplied by: the update."""

    def init(self, key: jax.Array) -> GRUTheta:
        """Draw an untrained theta (float32)."""
        key_input, key_recurrent = jax.random.split(key)
        scale, dtype = self.units**-0.5, jnp.float32
        return GRUTheta(
            initial_state=jnp.zeros(self.units, dtype),
            input_weights=scale * jax.random.normal(key_input, (3 * self.units,), dtype),
            recurrent_weights=scale
            * jax.random.normal(key_recurrent, (self.units, 3 * self.units), dtype),
            biases=jnp.zeros(3 * self.units, dtype),
            readout_weights=jnp.zeros(self.units, dtype),
            readout_bias=jnp.zeros((), dtype),
        )

    def component(self, theta: GRUTheta) -> ComponentOptimizer:
        self.check(theta)

        def transition(
            h: Float[Array, "... units"], g: Float[Array, "..."]
        ) -> Float[Array, "... units"]:
            return gated(theta, h, self.input_scale * g)[0]

        def readout(h: Float[Array, "... units"]) -> Float[Array, "..."]:
            return self.output_scale * (h @ theta.readout_weights + theta.readout_bias)

        return ComponentOptimizer(theta.initial_state, transition, readout)

    def meta_gradient(
        self,
        task: Task,
        theta: GRUTheta,
        problems: PyTree,
        steps: int,
        block: int,
        bound: float | None = None,
    ) -> tuple[Float[Array, ""], GRUTheta]:
        """Return the meta-objective and its gradient by the adjoint method (``lopt.learned.adjoint``)."""
        return adjoint_meta_gradient(
            task,
            theta,
            problems,
            steps,
            block,
            step=partial(step, self),
            step_adjoint=partial(step_adjoint, self),
            bound=bound,
        )

    def unroll_bytes(self, rows: int, steps: int, block: int) -> int:
        """Return the bytes that ``meta_gradient`` needs for ``rows`` rows in blocks of ``block`` steps.

        Per row and step of a block four times ``units`` numbers (state, two gates, candidate), parameter
        and gradient; between blocks one state; and nine times ``units`` for the step at hand: within
        3 % of what XLA allocates on a CPU (tested).
        """
        return unroll_bytes(self.row_numbers, self.units, rows, steps, block)


def gated(
    theta: GRUTheta, h: Float[Array, "... units"], g: Float[Array, "..."]
) -> tuple[Float[Array, "... units"], ...]:
    """Return the next state, the two gates and the candidate, given the scaled gradient.

    Each has its own product and its own A g + b: of all three side by side XLA first stores A g + b of all
    components, three times the state, and then reads it again.
    """
    update, reset, candidate = jnp.split(theta.recurrent_weights, 3, axis=1)
    A_u, A_r, A_c = jnp.split(theta.input_weights, 3)
    b_u, b_r, b_c = jnp.split(theta.biases, 3)
    g = g[..., None]
    u = jax.nn.sigmoid(h @ update + (g * A_u + b_u))
    r = jax.nn.sigmoid(h @ reset + (g * A_r + b_r))
    c = jnp.tanh((r * h) @ candidate + (g * A_c + b_c))
    return u * h + (1.0 - u) * c, u, r, c


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
    h_next, u, r, c = gated(theta, h, family.input_scale * g)
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
