r"""Optimizers that couple components, read inside a real run: at a moment of it, with the rest held.

    moment = run_to(loss, params, transformation, steps)        a training of any pytree of parameters
    probe(transformation, moment, component, gradients)         dx_i as its own gradient g_i varies
    preconditioner(transformation, moment)                      P = -d(dx)/dg, all components at once

What normalizes by a norm over all parameters, or orthogonalizes a matrix, has no map of one component
(``from_optax`` refuses it). But at a moment of a run, with its state, parameters and the other gradients as
they were, the response of one component is a function of its own gradient; and the whole system's Jacobian is
the effective preconditioner: a multiple of 1 for gradient descent, diagonal for what acts on every component
alone. Its eigenvalues are the learning rates along the directions that it does not turn.

Components are numbered as ``jax.flatten_util.ravel_pytree`` ravels the parameters.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Complex, Float, PyTree
from numpy.typing import ArrayLike

from lopt.analysis.checks import check_grid
from lopt.arguments import whole

__all__ = ["Moment", "Preconditioner", "Probe", "preconditioner", "probe", "run_to"]

LARGEST = 4096  # components of a system whose Jacobian is taken: 128 MB


class Moment(NamedTuple):
    """A run just before an update."""

    params: PyTree
    state: Any
    gradients: PyTree
    loss: Float[ArrayLike, ""]
    iteration: int


class Probe(NamedTuple):
    """The response of one component at a moment, with everything else as it was."""

    gradients: Float[np.ndarray, " grid"]
    updates: Float[np.ndarray, " grid"]
    gradient: float
    """Of this component, at this moment ..."""
    update: float
    """... the update that it gets ..."""
    learning_rate: float
    """... and -d(dx_i)/dg_i there."""


class Preconditioner(NamedTuple):
    """The effective preconditioner of the whole system at a moment."""

    matrix: Float[np.ndarray, "components components"]
    """P_ij = -d(dx_i)/dg_j."""
    eigenvalues: Complex[np.ndarray, " components"]
    """Largest real part first."""
    coupling: float
    """Share of P's squared entries that lie off its diagonal: 0 where every component is alone."""


def run_to(
    loss: Callable[[PyTree], Float[ArrayLike, ""]],
    params: PyTree,
    transformation: optax.GradientTransformation,
    steps: int,
) -> Moment:
    """Train for ``steps`` steps, and return the moment before the next.

    Raises:
        ValueError: if ``steps`` is no whole number, or negative.
    """
    steps = whole("steps", steps, least=0)
    update = optax.with_extra_args_support(transformation).update
    value_and_grad = jax.value_and_grad(loss)

    @jax.jit
    def run(params: PyTree) -> tuple[PyTree, Any, PyTree, Any]:
        def step(carry: tuple[PyTree, Any], _: None) -> tuple[tuple[PyTree, Any], None]:
            params, state = carry
            value, gradients = value_and_grad(params)
            moves, state = update(gradients, state, params, value=value, grad=gradients)
            return (optax.apply_updates(params, moves), state), None

        start = params, transformation.init(params)
        (params, state), _ = jax.lax.scan(step, start, length=steps)
        value, gradients = value_and_grad(params)
        return params, state, gradients, value

    params, state, gradients, value = run(jax.tree.map(jnp.asarray, params))
    return Moment(params, state, gradients, value, steps)


def _response(transformation: optax.GradientTransformation, moment: Moment) -> tuple[Callable, Any]:
    """Return the raveled update as a function of the raveled gradients, and these.

    Raises:
        ValueError: if this is no moment, or one of another transformation's run.
    """
    if not isinstance(moment, Moment):
        raise ValueError(f"the moment is {moment!r}, expected what run_to returns")
    state = jax.eval_shape(transformation.init, moment.params)
    if jax.tree.structure(state) != jax.tree.structure(moment.state):
        raise ValueError("the moment is of a run of another transformation: its state is another")
    flat, unravel = ravel_pytree(moment.gradients)
    update = optax.with_extra_args_support(transformation).update

    def response(g: Float[Array, " components"]) -> Float[Array, " components"]:
        gradients = unravel(jnp.asarray(g))
        moves, _ = update(gradients, moment.state, moment.params, value=moment.loss, grad=gradients)
        return ravel_pytree(moves)[0]

    return response, flat


def probe(
    transformation: optax.GradientTransformation,
    moment: Moment,
    component: int,
    gradients: Float[ArrayLike, " grid"],
) -> Probe:
    """Return how one component answers to its own gradient, with the rest of the run held.

    Args:
        transformation: the optimizer of the run.
        moment: of the run.
        component: its number among all parameters.
        gradients: ascending values that its gradient takes.

    Raises:
        ValueError: if there is no such component, the grid is empty, unsorted or not finite, or the moment
            is not of a run of this transformation.
    """
    response, flat = _response(transformation, moment)
    if (component := whole("component", component, least=0)) >= flat.size:
        raise ValueError(f"component is {component}, expected 0 ... {flat.size - 1}")
    grid = check_grid("gradients", gradients)

    def one(g: Float[Array, ""]) -> Float[Array, ""]:
        return response(flat.at[component].set(g))[component]

    here = flat[component]
    updates = jax.jit(lambda grid: jax.lax.map(one, grid))(jnp.asarray(grid, flat.dtype))
    update, slope = jax.jit(lambda g: jax.jvp(one, (g,), (jnp.ones_like(g),)))(here)
    return Probe(grid, np.asarray(updates), float(here), float(update), -float(slope))


def preconditioner(transformation: optax.GradientTransformation, moment: Moment) -> Preconditioner:
    """Return the effective preconditioner of a small system, and its spectrum.

    Raises:
        ValueError: if there are too many components for a matrix, or the update has no derivative there.
    """
    response, flat = _response(transformation, moment)
    if flat.size > LARGEST:
        raise ValueError(
            f"there are {flat.size} parameters, and the matrix of at most {LARGEST} is taken: probe some of "
            "them"
        )
    matrix = -np.asarray(jax.jit(jax.jacfwd(response))(flat), np.float64)
    if not np.all(np.isfinite(matrix)):
        raise ValueError("the update has no finite derivative at this moment")
    values = np.linalg.eigvals(matrix).astype(complex)
    total = float(np.sum(matrix**2))
    off = total - float(np.sum(np.diag(matrix) ** 2))
    return Preconditioner(
        matrix, values[np.argsort(-np.real(values), kind="stable")], off / total if total else 0.0
    )
