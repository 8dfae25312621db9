r"""Fixed points and slow points of an optimizer's state under a constant gradient.

    h* = F(h*, g),        speed q(h) = 1/2 ||h - F(h, g)||^2

``find_fixed_points`` (in ``fixed_point_search``) searches from many starts. ``convergence_point``
picks the fixed point that runs end at; ``constant_gradient_fixed_points`` follows it outward as
the gradient grows; ``analyse_fixed_points`` does all that a study needs.

Source: arXiv 2011.02159, section 4: one convergence point per optimizer; approximate fixed points
for constant gradients are argmin q.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float, Int

from lopt.analysis import root_search
from lopt.analysis.checks import check_component, check_grid, check_states
from lopt.analysis.fixed_point_search import find_fixed_points
from lopt.analysis.results import Code, FixedPointAnalysis, FixedPoints
from lopt.analysis.root_search import Transition, float64
from lopt.optimizers.component import ComponentOptimizer, check_transition

__all__ = [
    "ConvergencePoint",
    "analyse_fixed_points",
    "constant_gradient_fixed_points",
    "convergence_point",
    "find_fixed_points",
]

PATIENCE = 10  # times as many steps where a run under a constant gradient did not settle


class ConvergencePoint(NamedTuple):
    """The fixed point that runs end at; the fields are explained in ``FixedPointAnalysis``."""

    point: Float[np.ndarray, " state"]
    speed: Float[np.ndarray, ""]
    code: Int[np.ndarray, ""]
    basin_share: Float[np.ndarray, ""]
    basin_distance: Float[np.ndarray, ""]


def convergence_point(
    transition: Transition,
    late_states: Float[ArrayLike, "late state"],
    *,
    steps: int = 1000,
    merge_distance: float = 1e-5,
    **search: Any,
) -> ConvergencePoint:
    """Return the fixed point for g = 0 that runs of the optimizer end at.

    The map is run on from ``late_states`` for ``steps`` steps without gradient, and the fixed
    points next to where that leads are found. A state belongs to the basin of the point found
    from it if running on brought it closer (or within ``merge_distance``) and the point is
    stable. The one with the largest basin is returned; if no search converged, the slowest point
    found, with its code and an empty basin.

    Args:
        transition: F.
        late_states: states at the end of runs on problems.
        steps: how long to run on.
        merge_distance: as in ``find_fixed_points``.
        **search: further arguments of ``find_fixed_points``.

    Raises:
        ValueError: if ``late_states`` is not a non-empty matrix of finite numbers, or if every
            search ended at an outlier.
    """
    late = check_states("late_states", late_states)
    check_transition(transition, late.shape[1])
    ends = np.asarray(root_search.run_map(transition, float64(late), 0.0, steps=steps))
    ends = np.where(np.all(np.isfinite(ends), axis=1, keepdims=True), ends, late)
    found = find_fixed_points(
        transition, ends, presearch_steps=0, merge_distance=merge_distance, **search
    )
    if not len(found.distinct_points):
        candidates = np.flatnonzero(found.codes != Code.OUTLIER)
        if not candidates.size:
            raise ValueError(
                f"no fixed point: all {len(late)} searches from late_states became non-finite or "
                "left the region of the states; does the map have a fixed point for g = 0?"
            )
        best = candidates[np.argmin(found.speeds[candidates])]
        return ConvergencePoint(
            found.points[best],
            found.speeds[best],
            found.codes[best],
            np.array(0.0),
            np.array(np.inf),
        )
    shares, distances = [], []
    for group, point in enumerate(found.distinct_points):
        before = np.linalg.norm(late - point, axis=1)
        after = np.linalg.norm(ends - point, axis=1)
        arrived = (found.groups == group) & ((after < before) | (after <= merge_distance))
        arrived &= _spectral_radius(transition, point) <= 1.0
        shares.append(np.mean(arrived))
        distances.append(np.max(after[arrived], initial=0.0) if arrived.any() else np.inf)
    # Groups come most-found first, which decides between equal shares.
    best = int(np.argmax(shares))
    return ConvergencePoint(
        found.distinct_points[best],
        found.distinct_speeds[best],
        np.array(int(Code.CONVERGED)),
        np.array(shares[best]),
        np.array(distances[best]),
    )


def constant_gradient_fixed_points(
    transition: Transition,
    start: Float[ArrayLike, " state"],
    gradients: Float[ArrayLike, " constant_grid"],
    *,
    presearch_steps: int = 300,
    polish_iterations: int = 100,
    tolerance: float = 1e-20,
) -> FixedPoints:
    """Return argmin_h 1/2 ||h - F(h, g)||^2 for each g, followed outward from ``start``.

    Each of the two arms (g < 0 and g > 0) is followed by growing |g|; the search for a gradient
    starts from its neighbour's point. Where running the map under that gradient for
    ``presearch_steps`` does not lead to a fixed point, it is run on for longer (past the ghost of a
    point that has vanished it moves slowly), and at last the neighbour's point itself is polished;
    the slowest of these is taken.
    Rows of the result are gradients; nothing is merged (``groups`` is -1, no distinct points).

    Args:
        transition: F.
        start: the convergence point, from which both arms set out.
        gradients: strictly ascending.

    Raises:
        ValueError: if ``start`` is no finite vector, or ``gradients`` is empty, unsorted or
            non-finite.
    """
    start = check_states("start", np.asarray(start)[None])
    check_transition(transition, start.shape[1])
    gradients = check_grid("gradients", gradients)
    outward = np.argsort(np.abs(gradients), kind="stable")
    results: dict[int, root_search.SearchResult] = {}
    search = partial(
        root_search.search,
        transition,
        mixing_steps=0,
        polish_iterations=polish_iterations,
        tolerance=tolerance,
    )
    for arm in (outward[gradients[outward] < 0.0], outward[gradients[outward] >= 0.0]):
        neighbour = start
        for index in arm:
            g = float(gradients[index])
            attempts = []
            for steps in (presearch_steps, PATIENCE * presearch_steps, 0):
                run = root_search.run_map(transition, float64(neighbour), g, steps=steps)
                run = np.asarray(run)
                found = search(run if np.all(np.isfinite(run)) else neighbour, g)
                attempts.append(found._replace(iterations=found.iterations + steps))
                if found.codes[0] == Code.CONVERGED:
                    break
            best = min(attempts, key=lambda found: found.speeds[0])
            results[int(index)] = best
            neighbour = best.points if np.all(np.isfinite(best.points)) else neighbour
    rows = [results[index] for index in range(len(gradients))]
    found = root_search.SearchResult(*(np.concatenate(parts) for parts in zip(*rows, strict=True)))
    return FixedPoints(
        points=found.points,
        speeds=found.speeds,
        iterations=found.iterations,
        codes=np.where(np.isfinite(found.speeds), found.codes, Code.OUTLIER),
        groups=np.full(len(gradients), -1),
        distinct_points=np.empty((0, start.shape[1])),
        distinct_speeds=np.empty(0),
        distinct_counts=np.empty(0, int),
    )


def analyse_fixed_points(
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
        basin_steps: steps that the late states are run on without gradient.
        **search: further arguments of ``find_fixed_points``.

    Raises:
        ValueError: for an optimizer that is not float64, states of another size or with non-finite
            entries, an empty or unsorted grid, or a map on which every search fails.
    """
    size = check_component(component)
    visited = check_states("visited_states", visited_states, size)[:starts]
    late = check_states("late_states", late_states, size)
    gradients = check_grid("constant_gradients", constant_gradients)
    transition = component.transition
    found = find_fixed_points(transition, visited, **search)
    h_star = convergence_point(transition, late, steps=basin_steps, **search)
    constant = constant_gradient_fixed_points(transition, h_star.point, gradients)
    return FixedPointAnalysis(
        convergence_point=h_star.point,
        convergence_speed=np.asarray(h_star.speed),
        convergence_code=np.asarray(h_star.code),
        convergence_update=np.asarray(component.readout(float64(h_star.point))),
        basin_share=h_star.basin_share,
        basin_distance=h_star.basin_distance,
        basin_steps=np.array(basin_steps),
        **found._asdict(),
        constant_gradients=gradients,
        constant_gradient_points=constant.points,
        constant_gradient_speeds=constant.speeds,
        constant_gradient_iterations=constant.iterations,
        constant_gradient_codes=constant.codes,
    )


def _spectral_radius(transition: Transition, point: Float[np.ndarray, " state"]) -> float:
    jacobian, _ = root_search.jacobian(transition, float64(point), 0.0)
    return float(np.max(np.abs(np.linalg.eigvals(np.asarray(jacobian)))))
