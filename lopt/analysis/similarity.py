r"""How far apart two optimizers' dynamics are, whatever basis their states are written in.

An orthogonal (or any invertible linear) change of state, h -> Q h, changes weights and fixed points and
nothing that an optimizer does. Two distances do not see it:

*Behavior.* Both optimizers are fed the same gradient sequences g_s[0], g_s[1], ... from their initial states.
With u_s the sequence of updates that one answers with, and v_s the other's,

    d^2 = mean_s  ||u_s - v_s||^2 / (||u_s||^2 + ||v_s||^2).

0: the same updates. 1: updates that have nothing in common, or one optimizer that stands still. sqrt(2):
opposite ones. Every sequence counts the same, whatever the size of its gradients.

*Spectrum.* Linearized, an optimizer is a set of modes (lambda_m, alpha_m) (``linearization``): points in
the complex plane, each with the gain w_m = |alpha_m| as its mass. The distance is the least cost of
moving one set's mass to the other's places, an optimal assignment of points with weights,

    d = min_T [ sum_ij T_ij (|lambda_i - mu_j| + |phase_i - phase_j|) + |W - V| ] / max(W, V),

where T moves the whole of the smaller total gain, W and V are the totals, phase = alpha / |alpha|, and
what one set has more costs 1 per unit. 0: the same modes. 1: one of them has no gain. Two heavy balls
with learning rates a >= b > 0: (b |lambda - mu| + a - b) / a. Modes that can't be told apart count as
one, with the sum of their alphas.

``classical_scaling`` draws a map of distances: the positions whose squared distances are closest to the
given ones.

Sources: classical scaling, Torgerson 1952; optimal transport, Kantorovich 1942, here with mass that may be
created; similarity of optimizers is not in the paper.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
import scipy.sparse
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from lopt.analysis.recorded import drive
from lopt.arguments import whole
from lopt.optimizers.component import ComponentOptimizer, check_shapes
from lopt.optimizers.shared import jit_by_function
from lopt.records.analysis import Linearization
from lopt.records.census import Spectrum

__all__ = [
    "behavior",
    "behavior_distance",
    "classical_scaling",
    "pairwise_distances",
    "spectral_distance",
]


def behavior(
    component: ComponentOptimizer, gradients: Float[ArrayLike, "sequence steps"]
) -> Float[np.ndarray, "sequence steps"]:
    """Return the updates that ``component`` answers gradient sequences with, from its initial state.

    Args:
        component: the optimizer. One that reads the parameter meets it at 0.
        gradients: g[s, k], of one component each, as runs met them (``lopt.record(...).gradients``) or
        made up.

    Raises:
        ValueError: if the gradients are no table of finite numbers, or the optimizer reads the loss.
    """
    given = np.asarray(gradients)
    if given.ndim != 2 or not given.size:
        raise ValueError(f"gradients has shape {list(given.shape)}, expected [sequence, steps]")
    if not np.all(np.isfinite(given)):
        raise ValueError("gradients holds what is not a finite number")
    if component.run is not None:
        return np.asarray(drive(component, given.T).updates).T
    check_shapes(component)
    initial = jnp.asarray(component.initial_state)
    return np.asarray(
        _answers(
            initial,
            jnp.asarray(given, initial.dtype),
            transition=component.transition,
            readout=component.readout,
        )
    )


@jit_by_function("transition", "readout")
def _answers(
    initial: Float[Array, " state"],
    gradients: Float[Array, "sequence steps"],
    *,
    transition: Callable,
    readout: Callable,
) -> Float[Array, "sequence steps"]:
    def step(h: Array, g: Array) -> tuple[Array, Array]:
        h = transition(h, g)
        return h, readout(h)

    start = jnp.broadcast_to(initial, (len(gradients), *initial.shape))
    return jax.lax.scan(step, start, gradients.T)[1].T


def behavior_distance(
    updates: Float[ArrayLike, "sequence steps"], others: Float[ArrayLike, "sequence steps"]
) -> float:
    """Return the distance between two optimizers' updates after the same gradients, from 0 to sqrt(2).

    >>> behavior_distance([[1.0, 0.0]], [[1.0, 0.0]]), behavior_distance([[1.0, 0.0]], [[0.0, 1.0]])
    (0.0, 1.0)

    Raises:
        ValueError: if the two have another shape, or hold what is not a finite number.
    """
    ours, theirs = (np.asarray(each, np.float64) for each in (updates, others))
    if ours.shape != theirs.shape or ours.ndim != 2:
        raise ValueError(
            f"updates have shapes {list(ours.shape)} and {list(theirs.shape)}, expected twice the same "
            "[sequence, steps]"
        )
    if not (np.all(np.isfinite(ours)) and np.all(np.isfinite(theirs))):
        raise ValueError("updates hold what is not a finite number")
    # Of a sequence's own size, so that no square is too large or too small for a number.
    size = np.maximum(np.abs(ours).max(axis=1), np.abs(theirs).max(axis=1))[:, None]
    ours, theirs = (each / np.where(size > 0.0, size, 1.0) for each in (ours, theirs))
    total = (ours**2).sum(axis=1) + (theirs**2).sum(axis=1)
    apart = ((ours - theirs) ** 2).sum(axis=1)
    return math.sqrt(np.mean(apart / np.where(total > 0.0, total, 1.0)))


def spectral_distance(
    modes: Linearization | Spectrum, others: Linearization | Spectrum, *, least_share: float = 1e-9
) -> float:
    """Return the distance between two optimizers' modes at their convergence points.

    Args:
        modes: of one optimizer, from ``linearize``.
        others: of the other.
        least_share: modes with less than this share of the total gain are left out; fewer modes are faster.
    """
    (values, alphas), (other_values, other_alphas) = (
        _gains(each, least_share) for each in (modes, others)
    )
    supply, demand = np.abs(alphas), np.abs(other_alphas)
    total, other_total = supply.sum(), demand.sum()
    largest = max(total, other_total)
    if largest == 0.0:
        return 0.0
    if not min(total, other_total):
        return 1.0
    cost = np.abs(values[:, None] - other_values)
    cost += np.abs((alphas / supply)[:, None] - other_alphas / demand)
    surplus = abs(total - other_total)
    # What one of them has more goes nowhere, or comes from nowhere.
    if total > other_total:
        cost, demand = np.hstack([cost, np.ones((len(cost), 1))]), np.append(demand, surplus)
    else:
        cost, supply = np.vstack([cost, np.ones(cost.shape[1])]), np.append(supply, surplus)
    return _least_cost(cost, supply / largest, demand / largest)


def _gains(modes: Linearization | Spectrum, least_share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues and alphas, what can't be told apart as one, of the modes that act."""
    clusters = np.asarray(modes.clusters)
    names, place = np.unique(clusters, return_inverse=True)
    alphas, values = np.zeros((2, len(names)), complex)
    np.add.at(alphas, place, modes.complex_learning_rates)
    np.add.at(values, place, modes.eigenvalues)
    values = values / np.bincount(place)
    sizes = np.abs(alphas)
    acting = sizes > least_share * sizes.sum()
    return values[acting], alphas[acting]


def _least_cost(
    cost: Float[np.ndarray, "i j"], supply: Float[np.ndarray, " i"], demand: Float[np.ndarray, " j"]
) -> float:
    """Return min_T sum_ij T_ij cost_ij over T >= 0 with the given sums of rows and columns."""
    rows, columns = cost.shape
    if rows == 1 or columns == 1:
        return float(np.sum(cost * supply[:, None] * demand / max(supply.sum(), 1e-300)))
    of_rows = scipy.sparse.kron(scipy.sparse.eye_array(rows), np.ones((1, columns)))
    of_columns = scipy.sparse.kron(np.ones((1, rows)), scipy.sparse.eye_array(columns))
    # One of the sums follows from the others.
    sums = scipy.sparse.vstack([of_rows, of_columns.tocsr()[:-1]]).tocsr()
    found = scipy.optimize.linprog(
        cost.ravel(), A_eq=sums, b_eq=np.append(supply, demand[:-1]), method="highs"
    )
    if found.x is None:
        raise ArithmeticError(f"the modes could not be assigned: {found.message}")
    return float(max(found.fun, 0.0))


def pairwise_distances(
    subjects: Sequence[Any], distance: Callable[[Any, Any], float]
) -> Float[np.ndarray, "subject subject"]:
    """Return the distances between all pairs of ``subjects``; each pair is measured once.

    >>> pairwise_distances([0.0, 1.0, 3.0], lambda a, b: abs(a - b)).tolist()
    [[0.0, 1.0, 3.0], [1.0, 0.0, 2.0], [3.0, 2.0, 0.0]]
    """
    found = np.zeros((len(subjects), len(subjects)))
    for i, one in enumerate(subjects):
        for j in range(i):
            found[i, j] = found[j, i] = distance(one, subjects[j])
    return found


def classical_scaling(
    distances: Float[ArrayLike, "subject subject"], dimensions: int = 2
) -> tuple[Float[np.ndarray, "subject dimension"], Float[np.ndarray, " dimension"]]:
    """Return a map of distances, and the share of what could be shown that each of its axes shows.

    With D^2 the squared distances and C the centering matrix, B = -1/2 C D^2 C = V diag(b) V^T, and the
    coordinates are the columns of V with the largest b, times sqrt(b). A column's largest entry is
    positive. The shares are of the sum of the positive b: what can't be embedded in any space is not
    counted.

    Raises:
        ValueError: if the distances are not symmetric and finite, with a diagonal of zeros, or
            ``dimensions`` is no whole number of at least 1.
    """
    dimensions = whole("dimensions", dimensions)
    table = np.asarray(distances, np.float64)
    square = table.ndim == 2 and table.shape[0] == table.shape[1]
    if not square or not np.all(np.isfinite(table)) or not np.allclose(table, table.T):
        raise ValueError("distances should be a symmetric table of finite numbers")
    if np.any(np.diag(table) != 0.0):
        raise ValueError("distances should be 0 on the diagonal")
    squared = table**2
    centered = squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean()
    values, vectors = np.linalg.eigh(-0.5 * centered)
    order = np.argsort(-values)[:dimensions]
    found, axes = np.maximum(values[order], 0.0), vectors[:, order]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    positive = np.maximum(values, 0.0).sum()
    shares = found / positive if positive > 0.0 else np.zeros(len(found))
    coordinates = np.zeros((len(table), dimensions))
    coordinates[:, : len(found)] = axes * signs * np.sqrt(found)
    return coordinates, np.pad(shares, (0, dimensions - len(shares)))
