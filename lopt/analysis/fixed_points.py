r"""Fixed points of an optimizer's state, gathered: where runs end, and where constant gradients lead.

    h* = F(h*, g),        speed q(h) = 1/2 ||h - F(h, g)||^2

``find_fixed_points`` (in ``fixed_point_search``) searches from many starts, ``find_attractors`` (in
``attractors``) says what runs end at, ``constant_gradient_fixed_points`` (in ``branches``) follows
a point outward as the gradient grows. ``convergence_point`` picks the fixed point that most runs
end at; ``analyze_fixed_points`` does all that a study needs.

Source: arXiv 2011.02159, section 4: one convergence point per optimizer; approximate fixed points
for constant gradients are argmin q.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from lopt.analysis.attractors import Settled, find_attractors, settle
from lopt.analysis.branches import constant_gradient_fixed_points
from lopt.analysis.checks import check_component, check_grid, check_states
from lopt.analysis.fixed_point_search import find_fixed_points
from lopt.analysis.readings import read
from lopt.optimizers.component import ComponentOptimizer
from lopt.records.analysis import Code, FixedPointAnalysis

__all__ = [
    "ConvergencePoint",
    "analyze_fixed_points",
    "constant_gradient_fixed_points",
    "convergence_point",
    "find_attractors",
    "find_fixed_points",
]


class ConvergencePoint(NamedTuple):
    """The fixed point that runs end at; the fields are explained in ``FixedPointAnalysis``."""

    point: Float[np.ndarray, " state"]
    error: Float[np.ndarray, " state"]
    speed: Float[np.ndarray, ""]
    code: Int[np.ndarray, ""]
    basin_share: Float[np.ndarray, ""]
    basin_distance: Float[np.ndarray, ""]
    spectral_radius: Float[np.ndarray, ""]
    update: Float[np.ndarray, ""]
    update_interval: Float[np.ndarray, "2"]


def convergence_point(
    component: ComponentOptimizer,
    late_states: Float[ArrayLike, "late state"],
    *,
    steps: int = 1000,
    **search: Any,
) -> ConvergencePoint:
    """Return the fixed point for g = 0 that most runs of the optimizer end at.

    There may be others: ``find_attractors`` lists them all. If no run ends at a fixed point, one
    that exists is returned with an empty basin, the stable first; if there is none, the slowest
    point found, with its code.

    Args:
        component: the optimizer, float64.
        late_states: states at the end of runs on problems.
        steps: how long to run on.
        **search: further arguments of ``find_fixed_points``.

    Raises:
        ValueError: if ``late_states`` is not a non-empty matrix of finite numbers, or if every
            search ended at an outlier.
    """
    return _chosen(component, settle(component, late_states, steps=steps, **search))


def _chosen(component: ComponentOptimizer, settled: Settled) -> ConvergencePoint:
    """Return the fixed point among the attractors with the largest basin (they come in order)."""
    attractors, found = settled
    rows = np.flatnonzero(attractors.codes != Code.LIMIT_CYCLE)
    if rows.size:
        row = rows[0]
        point = attractors.points[row]
        residual = np.asarray(component.transition(jnp.asarray(point), jnp.zeros(()))) - point
        return ConvergencePoint(
            point,
            attractors.errors[row],
            np.asarray(0.5 * residual @ residual),
            attractors.codes[row],
            attractors.basin_shares[row],
            attractors.basin_distances[row],
            attractors.spectral_radii[row],
            attractors.updates[row],
            attractors.update_intervals[row],
        )
    candidates = np.flatnonzero(found.codes != Code.OUTLIER)
    if not candidates.size:
        raise ValueError(
            f"no fixed point: all {len(found.points)} searches from late_states became non-finite "
            "or left the region of the states; does the map have a fixed point for g = 0?"
        )
    best = candidates[np.argmin(found.speeds[candidates])]
    point, unknown = found.points[best], np.full_like(found.points[best], np.inf)
    reading = read(component, point[None], unknown[None], 1.0)
    return ConvergencePoint(
        point,
        unknown,
        found.speeds[best],
        found.codes[best],
        np.array(0.0),
        np.array(np.inf),
        np.array(np.nan),
        reading.updates[0],
        reading.update_intervals[0],
    )


def analyze_fixed_points(
    component: ComponentOptimizer,
    visited_states: Float[ArrayLike, "visited state"],
    late_states: Float[ArrayLike, "late state"],
    constant_gradients: Float[ArrayLike, " constant_grid"],
    *,
    starts: int = 200,
    basin_steps: int = 1000,
    **search: Any,
) -> FixedPointAnalysis:
    """Return everything about the fixed points of one optimizer that a study needs.

    Args:
        component: the optimizer, float64.
        visited_states: random states that its runs visited; the first ``starts`` are started from.
        late_states: states at the end of its runs; they decide which fixed point is h*.
        constant_gradients: strictly ascending gradients g of the points that are followed
            outward from h*.
        starts: the most starts to search from.
        basin_steps: how long late states are run on.
        **search: further arguments of ``find_fixed_points``, for all searches at g = 0.

    Raises:
        ValueError: for an optimizer that is not float64, states of another size or non-finite
            ones, an empty or unsorted grid, or an optimizer without any fixed point.
    """
    size = check_component(component)
    visited = check_states("visited_states", visited_states, size)
    late = check_states("late_states", late_states, size)
    gradients = check_grid("constant_gradients", constant_gradients)
    found = find_fixed_points(component, visited[:starts], **search)
    settled = settle(component, late, steps=basin_steps, others=found, **search)
    h_star = _chosen(component, settled)
    constant = constant_gradient_fixed_points(component, h_star.point, gradients)
    attractors = settled.attractors._asdict()
    followed = constant._asdict()
    ends = {f"branch_{name}": followed.pop(name) for name in ("end_codes", "end_gradients")}
    return FixedPointAnalysis(
        convergence_point=h_star.point,
        convergence_error=h_star.error,
        convergence_speed=np.asarray(h_star.speed),
        convergence_code=np.asarray(h_star.code),
        convergence_update=np.asarray(h_star.update),
        convergence_update_interval=h_star.update_interval,
        convergence_spectral_radius=np.asarray(h_star.spectral_radius),
        basin_share=np.asarray(h_star.basin_share),
        basin_distance=np.asarray(h_star.basin_distance),
        basin_steps=np.array(basin_steps),
        **{f"attractor_{name}": value for name, value in attractors.items()},
        **found._asdict(),
        constant_gradients=gradients,
        **{f"constant_gradient_{name}": value for name, value in followed.items()},
        **ends,
    )
