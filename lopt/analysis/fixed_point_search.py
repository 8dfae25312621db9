r"""Search for fixed points from many starts, and say how each search ended.

    h* = F(h*, g),        speed q(h) = 1/2 ||h - F(h, g)||^2

The search runs the map for a while (stable points attract), mixes (``root_search.mix``, no
derivatives), polishes what is not there yet, rejects outliers, and groups what it found; the best
of each group is polished once more and stands for it. Every start returns a ``Code``; nothing is
raised for what a search finds. Tolerances are absolute, for states of order one; beyond that the
speed is measured in units of the largest |h_i|^2.

Sources: Sussillo and Barak 2013 (slow points); Golub and Sussillo 2018, fixed-point-finder
(de-duplication, outliers). The published analysis minimises q by Adam in float32; here q falls to
rounding, below 1e-24.
"""

import numpy as np
from jaxtyping import ArrayLike, Float, Int

from lopt.analysis import root_search
from lopt.analysis.checks import check_states
from lopt.analysis.results import Code, FixedPoints
from lopt.analysis.root_search import POLISHED, Transition, float64
from lopt.optimizers.component import check_transition

__all__ = ["find_fixed_points"]


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
    check_transition(transition, starts.shape[1])
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


def _check_gradient(g: float) -> None:
    if not np.ndim(g) == 0 or not np.isfinite(g):
        raise ValueError(f"g is {g!r}, expected one finite gradient")
