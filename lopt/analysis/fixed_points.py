r"""Fixed points and slow points of an optimizer's state under a constant gradient.

    h* = F(h*, g),        speed q(h) = 1/2 ||h - F(h, g)||^2

``find_fixed_points`` searches from many starts: it runs the map for a while (stable points
attract), mixes (``root_search.mix``, no derivatives), polishes what is not there yet, and groups
what it found; the best of each group is polished once more and stands for it. Every start returns
a ``Code``; nothing is raised for what a search finds. Tolerances are absolute, for states of
order one; beyond that the speed is measured in units of the largest |h_i|^2.

``convergence_point`` picks the fixed point that runs end at; ``constant_gradient_fixed_points``
follows it outward as the gradient grows; ``analyse_fixed_points`` does all that a study needs.

Sources: arXiv 2011.02159, section 4 (convergence point; approximate fixed points for constant
gradients are argmin q); Sussillo and Barak 2013 (slow points); Golub and Sussillo 2018,
fixed-point-finder (de-duplication, outliers). The published analysis minimises q by Adam in
float32; here q falls to rounding, below 1e-24.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float, Int

from lopt.analysis import root_search
from lopt.analysis.checks import check_component, check_grid, check_states
from lopt.analysis.results import Code, FixedPointAnalysis, FixedPoints
from lopt.analysis.root_search import POLISHED, Transition, float64
from lopt.optimizers.component import ComponentOptimizer

__all__ = [
    "ConvergencePoint",
    "analyse_fixed_points",
    "constant_gradient_fixed_points",
    "convergence_point",
    "find_fixed_points",
]


class ConvergencePoint(NamedTuple):
    """The fixed point that runs end at; the fields are explained in ``FixedPointAnalysis``."""

    point: Float[np.ndarray, " state"]
    speed: Float[np.ndarray, ""]
    code: Int[np.ndarray, ""]
    basin_share: Float[np.ndarray, ""]
    basin_distance: Float[np.ndarray, ""]


def find_fixed_points(
    transition: Transition,
    starts: Float[ArrayLike, "start state"],
    g: float = 0.0,
    *,
    presearch_steps: int = 200,
    mixing_steps: int = 300,
    polish_iterations: int = 100,
    tolerance: float = 1e-20,
    merge_distance: float = 1e-5,
    outlier_distance: float = 10.0,
) -> FixedPoints:
    """Search for points with h = F(h, g) from each of ``starts``.

    Args:
        transition: F, a map of rows of states and as many gradients to rows of states.
        starts: states to start from.
        g: the constant gradient.
        presearch_steps: how often the map is applied before anything else. With 0, and
            ``mixing_steps`` 0, unstable fixed points near a start are found as well as stable ones.
        mixing_steps: the most evaluations of the mixing.
        polish_iterations: the most Newton or Levenberg-Marquardt steps per start.
        tolerance: largest speed that counts as converged (times max(1, max_i h_i^2)).
        merge_distance: points closer than this are one (Euclidean norm of the state).
        outlier_distance: points further from the mean start than this, in units of the starts'
            spread and mean, are outliers.

    Raises:
        ValueError: if ``starts`` is not a non-empty matrix of finite numbers, or g is not finite.

    >>> import jax
    >>> with jax.enable_x64(True):
    ...     found = find_fixed_points(lambda h, g: 0.5 * h + g[..., None], [[0.0], [3.0]], g=1.0)
    >>> found.points.round(10).tolist(), found.codes.tolist(), found.distinct_counts.tolist()
    ([[2.0], [2.0]], [0, 0], [2])
    """
    starts = check_states("starts", starts)
    _check_gradient(g)
    run = root_search.run_map(transition, float64(starts), g, steps=presearch_steps)
    run = np.asarray(run)
    usable = np.all(np.isfinite(run), axis=1, keepdims=True)
    found = root_search.search(
        transition,
        np.where(usable, run, starts),
        g,
        mixing_steps=mixing_steps,
        polish_iterations=polish_iterations,
        tolerance=tolerance,
    )
    cloud = np.concatenate([starts, run[usable[:, 0]]])
    codes = _without_outliers(found, cloud, outlier_distance)
    groups, distinct, distinct_speeds = _group(
        transition, found._replace(codes=codes), g, merge_distance, tolerance, polish_iterations
    )
    return FixedPoints(
        points=found.points,
        speeds=found.speeds,
        iterations=found.iterations + presearch_steps,
        codes=codes,
        groups=groups,
        distinct_points=distinct,
        distinct_speeds=distinct_speeds,
        distinct_counts=np.bincount(groups[groups >= 0], minlength=len(distinct)),
    )


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
    starts from its neighbour's point. Where running the map under that gradient does not lead to
    a fixed point, the neighbour's point itself is polished and the slower of the two is taken.
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
            run = root_search.run_map(transition, float64(neighbour), g, steps=presearch_steps)
            run = np.asarray(run)
            best = search(run if np.all(np.isfinite(run)) else neighbour, g)
            if best.codes[0] != Code.CONVERGED:
                best = min(best, search(neighbour, g), key=lambda found: found.speeds[0])
            results[int(index)] = best
            neighbour = best.points if np.all(np.isfinite(best.points)) else neighbour
    rows = [results[index] for index in range(len(gradients))]
    found = root_search.SearchResult(*(np.concatenate(parts) for parts in zip(*rows, strict=True)))
    return FixedPoints(
        points=found.points,
        speeds=found.speeds,
        iterations=found.iterations + presearch_steps,
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
        constant_gradients: strictly ascending gradients g of the points argmin 1/2 ||h - F(h,
            g)||^2.
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


def _without_outliers(
    found: root_search.SearchResult,
    cloud: Float[np.ndarray, "cloud state"],
    outlier_distance: float,
) -> Int[np.ndarray, " row"]:
    center = cloud.mean(axis=0)
    spread = np.sqrt(np.mean(np.sum((cloud - center) ** 2, axis=1))) + np.linalg.norm(center)
    far = np.linalg.norm(found.points - center, axis=1) > outlier_distance * spread
    return np.where(~np.isfinite(found.speeds) | (far & (spread > 0.0)), Code.OUTLIER, found.codes)


def _group(
    transition: Transition,
    found: root_search.SearchResult,
    g: float,
    merge_distance: float,
    tolerance: float,
    polish_iterations: int,
) -> tuple[
    Int[np.ndarray, " row"], Float[np.ndarray, "distinct state"], Float[np.ndarray, " distinct"]
]:
    """Return each row's group, and the groups' best points, polished, with their speeds."""
    groups, leaders = np.full(len(found.points), -1), []
    converged = np.flatnonzero(found.codes == Code.CONVERGED)
    for row in converged[np.argsort(found.speeds[converged], kind="stable")]:
        if groups[row] < 0:
            near = np.linalg.norm(found.points - found.points[row], axis=1) <= merge_distance
            groups[near & (groups < 0) & (found.codes == Code.CONVERGED)] = len(leaders)
            leaders.append(row)
    if not leaders:
        return groups, np.empty((0, found.points.shape[1])), np.empty(0)
    polished = [
        root_search.polish(
            transition,
            float64(found.points[leader]),
            g,
            POLISHED * tolerance,
            iterations=polish_iterations,
        )
        for leader in leaders
    ]
    points = np.array([result.h for result in polished])
    speeds = root_search.speed(np.array([result.residual for result in polished]))
    order = np.argsort(-np.bincount(groups[groups >= 0]), kind="stable")
    rank = np.argsort(order)
    return np.where(groups < 0, -1, rank[groups]), points[order], speeds[order]


def _spectral_radius(transition: Transition, point: Float[np.ndarray, " state"]) -> float:
    jacobian, _ = root_search.jacobian(transition, float64(point), 0.0)
    return float(np.max(np.abs(np.linalg.eigvals(np.asarray(jacobian)))))


def _check_gradient(g: float) -> None:
    if not np.ndim(g) == 0 or not np.isfinite(g):
        raise ValueError(f"g is {g!r}, expected one finite gradient")
