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
state and update backward through it. A component is a column there:

    c_bar = (1 - u) h'_bar,                delta_c = (1 - c^2) c_bar,       q_bar = W_c^T delta_c
    delta_u = u (1 - u) (h - c) h'_bar,    delta_r = r (1 - r) h * q_bar
    h_bar = u h'_bar + r q_bar + W_u^T delta_u + W_r^T delta_r,    g_bar = A . delta
    W_u_bar = delta_u h^T,    W_r_bar = delta_r h^T,    W_c_bar = delta_c (r * h)^T

with the deltas the cotangents of the three pre-activations. XLA multiplies a transposed left operand at half
the rate on CPUs: with columns those on the left are weights, transposed once and for all, and deltas as they
are. Each gate has arrays of its own, since putting deltas side by side costs a CPU more than it saves in
products. The tests hold the step and its derivative against ``component`` in float64.

Source: arXiv 2011.02159, section 3 and appendix; the authors' released code for the conventions.
"""

from collections.abc import Callable
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

__all__ = ["GRU", "GRUTheta", "Parts", "Residuals", "parts", "step", "step_adjoint"]


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
        weights = jnp.split(theta.recurrent_weights, 3, axis=1)
        inputs, biases = jnp.split(theta.input_weights, 3), jnp.split(theta.biases, 3)

        def transition(
            h: Float[Array, "... units"], g: Float[Array, "..."]
        ) -> Float[Array, "... units"]:
            scaled = self.input_scale * g[..., None]

            def pre_activation(gate: int, state: Array) -> Array:
                return state @ weights[gate] + (scaled * inputs[gate] + biases[gate])

            return gated(pre_activation, h)[0]

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
            parts=parts,
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


def gated(pre_activation: Callable[[int, Array], Array], h: Array) -> tuple[Array, ...]:
    """Return the next state, the two gates and the candidate.

    Args:
        pre_activation: of a gate (0 update, 1 reset, 2 candidate) that reads a state: A g + W state + b. Each
            gate has its own product: of all three side by side XLA first stores A g + b of all components,
            three times the state, and then reads it again.
        h: the state.
    """
    u = jax.nn.sigmoid(pre_activation(0, h))
    r = jax.nn.sigmoid(pre_activation(1, h))
    c = jnp.tanh(pre_activation(2, r * h))
    return u * h + (1.0 - u) * c, u, r, c


class Parts(NamedTuple):
    """Theta as ``step`` takes it: what multiplies columns, gate by gate."""

    initial_state: Float[Array, "units 1"]
    input_weights: tuple[Float[Array, " units"], ...]
    recurrent_weights: tuple[Float[Array, "units units"], ...]
    biases: tuple[Float[Array, " units"], ...]
    readout_weights: Float[Array, " units"]
    readout_bias: Float[Array, ""]


def parts(theta: GRUTheta) -> Parts:
    """Take theta apart; linear, so that its transpose puts the parts' cotangents together."""
    return Parts(
        theta.initial_state[:, None],
        tuple(jnp.split(theta.input_weights, 3)),
        tuple(jnp.split(theta.recurrent_weights.T, 3)),
        tuple(jnp.split(theta.biases, 3)),
        theta.readout_weights,
        theta.readout_bias,
    )


class Residuals(NamedTuple):
    """What the backward pass needs of one step (or, stacked, of many)."""

    h: Float[Array, "*steps units columns"]
    update_gate: Float[Array, "*steps units columns"]
    reset_gate: Float[Array, "*steps units columns"]
    candidate: Float[Array, "*steps units columns"]
    g: Float[Array, "*steps columns"]


def step(
    family: GRU, theta: Parts, h: Float[Array, "units columns"], g: Float[Array, " columns"]
) -> tuple[Float[Array, "units columns"], Float[Array, " columns"], Residuals]:
    """Return the next state, the update, and what the backward pass needs."""
    scaled = family.input_scale * g

    def pre_activation(gate: int, state: Array) -> Array:
        drive = theta.input_weights[gate][:, None] * scaled + theta.biases[gate][:, None]
        return theta.recurrent_weights[gate] @ state + drive

    h_next, u, r, c = gated(pre_activation, h)
    update = family.output_scale * (theta.readout_weights @ h_next + theta.readout_bias)
    return h_next, update, Residuals(h, u, r, c, scaled)


def step_adjoint(
    family: GRU,
    theta: Parts,
    residuals: Residuals,
    h_next_bar: Float[Array, "units columns"],
    update_bar: Float[Array, " columns"],
) -> tuple[Float[Array, "units columns"], Float[Array, " columns"], Parts]:
    """Return the cotangents of the state, of the gradient, and of theta through this step.

    Theta's ``initial_state`` gets zero: its cotangent is the state's, once the recursion is through.
    """
    h, u, r, c, g = residuals
    update_bar = family.output_scale * update_bar
    h_next_bar = h_next_bar + theta.readout_weights[:, None] * update_bar
    # The barrier keeps XLA from folding the transposition back into the products.
    back_u, back_r, back_c = optimization_barrier(tuple(W.T for W in theta.recurrent_weights))
    delta_c = (1.0 - u) * (1.0 - c * c) * h_next_bar
    q_bar = back_c @ delta_c
    delta_u = u * (1.0 - u) * (h - c) * h_next_bar
    delta_r = r * (1.0 - r) * h * q_bar
    deltas = delta_u, delta_r, delta_c
    h_next = u * h + (1.0 - u) * c
    h_bar = u * h_next_bar + r * q_bar + back_u @ delta_u + back_r @ delta_r
    A_u, A_r, A_c = theta.input_weights
    g_bar = A_u @ delta_u + A_r @ delta_r + A_c @ delta_c
    theta_bar = Parts(
        initial_state=jnp.zeros_like(theta.initial_state),
        input_weights=tuple(delta @ g for delta in deltas),
        recurrent_weights=(delta_u @ h.T, delta_r @ h.T, delta_c @ (r * h).T),
        biases=tuple(jnp.sum(delta, axis=1) for delta in deltas),
        readout_weights=h_next @ update_bar,
        readout_bias=jnp.sum(update_bar),
    )
    return h_bar, family.input_scale * g_bar, theta_bar
