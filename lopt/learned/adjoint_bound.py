r"""A bound on what the meta-gradient carries back through time, problem by problem.

Where an inner run is unstable, or only chaotic, d x_T / d x_k grows without bound with T - k, and the
meta-gradient is the sum of many small gradients that say something and a few of any size and sign that do
not. Here the way back is kept to the size that it has where a run neither amplifies nor damps: with the
cotangent of the losses,

    w_j = min(1, f(x_0) / f(x_j)) / ((T + 1) f(x_0) B),              s_k = sum_{j >= k} w_j ||grad f(x_j)||_2,

the adjoint of a problem (that of its parameters and of its optimizer's states together) is scaled down
before it is carried from x_k to x_{k-1}, by

    min(1, bound s_k / ||x_bar_k||_2).

s_k is what all later losses inject, with nothing cancelled: in a run that converges x_bar_k is smaller, and
with ``bound`` = 1 nothing is scaled there. A loss above the first one counts as 1 + log f(x_j) / f(x_0),
which is what w_j says: however far a problem diverges, it injects no more than one that stands still. An
adjoint that is not finite is dropped, and the way back of that problem begins anew.

This is clipping of the back-propagated gradient (cf. Pascanu, Mikolov and Bengio, arXiv 1211.5063, who
clip after the sum over time), at each step and with a threshold that each run states itself, so that it
needs no scale of the task. The authors of arXiv 2011.02159 clip the sum only, element by element.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["bound_adjoint", "factors", "loss_weights", "scaled"]


def loss_weights(
    losses: Float[Array, "*steps problems"], first_losses: Float[Array, " problems"]
) -> Float[Array, "*steps problems"]:
    """Return min(1, f(x_0) / f(x_k)): what a problem's loss counts as, relative to its first."""
    return jnp.where(losses > first_losses, first_losses / losses, 1.0)


def factors(
    x_bar: Float[Array, "problems components"], most: Float[Array, " problems"]
) -> Float[Array, " problems"]:
    """Return what scales each problem's adjoint down to the norm ``most``; 0 where it is not finite."""
    norm = jnp.linalg.norm(x_bar, axis=1)
    scale = jnp.where(norm > most, most / jnp.where(norm > 0.0, norm, 1.0), 1.0)
    return jnp.where(jnp.isfinite(norm), scale, 0.0)


def scaled(values: Float[Array, "problems ..."], factor: Float[Array, " problems"]) -> Array:
    """Return each problem's values times its factor; nothing where that is 0, whatever the values."""
    factor = factor.reshape(-1, *(1,) * (values.ndim - 1))
    return jnp.where(factor == 0.0, 0.0, values * factor)


@jax.custom_vjp
def bound_adjoint(
    x: Float[Array, "problems components"],
    h: Float[Array, "rows state"],
    injected: Float[Array, " problems"],
    increment: Float[Array, " problems"],
    bound: Float[Array, ""],
) -> tuple[Array, Array, Array]:
    """Return x, h and ``injected`` as they are; on the way back, their cotangents are bounded.

    This is how reverse-mode autodiff of a step x_k, h_k -> x_{k+1}, h_{k+1} gets what the adjoint method
    has by hand: the step takes what is returned here in place of its arguments.

    Args:
        x: parameters x_k.
        h: states of all components of all problems, in the order of ``x``.
        injected: any number per problem, carried unchanged through the run: its cotangent is s_{k+1}.
        increment: w_k ||grad f(x_k)||_2.
        bound: as above.
    """
    return x, h, injected


def _forward(x: Array, h: Array, injected: Array, increment: Array, bound: Array) -> tuple:
    return (x, h, injected), (increment, bound)


def _backward(kept: tuple[Array, Array], bars: tuple[Array, Array, Array]) -> tuple:
    (increment, bound), (x_bar, h_bar, later) = kept, bars
    injected = later + increment
    factor = factors(x_bar, bound * injected)
    of_problems = h_bar.reshape(x_bar.shape[0], -1)
    h_bar = scaled(of_problems, factor).reshape(h_bar.shape)
    nothing = jnp.zeros_like(increment), jnp.zeros_like(bound)
    return scaled(x_bar, factor), h_bar, injected, *nothing


bound_adjoint.defvjp(_forward, _backward)
