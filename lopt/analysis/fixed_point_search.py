r"""Search for fixed points from many starts, and say how each search ended and how exact it is.

    h* = F(h*, g),        speed q(h) = 1/2 ||h - F(h, g)||^2

The search runs the map for a while (stable points attract), mixes (``root_search.mix``, no
derivatives), and ends with Newton's method to rounding (``newton``), which bounds the error of
every entry. Starts that are already close to a point found are led to theirs by that point's
inverse. Points further from the starts than these are from each other are outliers; equal points
are grouped. A start *converged* if its point's errors, and the intervals that they imply for the
effective learning rate and the update there, are below the tolerance, each relative to its own
scale. Every start returns a ``Code``; nothing is raised for what a search finds.

Sources: Sussillo and Barak 2013 (slow points); Golub and Sussillo 2018, fixed-point-finder
(de-duplication, outliers). The published analysis minimizes q by Adam in float32; an absolute
speed says nothing about a state of small entries, nor about a nearly singular map.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from lopt.analysis import root_search
from lopt.analysis.checks import check_component, check_states
from lopt.analysis.continua import is_continuum, join_continua
from lopt.analysis.newton import EPSILON, Root, find_root, scaled_size
from lopt.analysis.readings import FLOOR, read
from lopt.analysis.root_search import Transition, float64
from lopt.optimizers.component import ComponentOptimizer
from lopt.records.analysis import Code, FixedPoints

__all__ = ["SINGLE", "code_of", "find_fixed_points", "spread_of"]

MIXED = 1e-22  # speed at which the mixing leaves the rest to Newton's method
NEAR = 1e-2  # a first step shorter than this (relative to scales) is shared with a point found
SHARED_STEPS = 4
SINGLE = 1e-5  # relative distance of what is taken for one point where I - J is singular


class _Ends(NamedTuple):
    """Where the search from each start ended."""

    points: Float[np.ndarray, "row state"]
    residuals: Float[np.ndarray, "row state"]
    errors: Float[np.ndarray, "row state"]
    scales: Float[np.ndarray, "row state"]
    iterations: Int[np.ndarray, " row"]
    codes: Int[np.ndarray, " row"]
    kept: Bool[np.ndarray, "row state"]


def find_fixed_points(
    component: ComponentOptimizer,
    starts: Float[ArrayLike, "start state"],
    g: float = 0.0,
    *,
    presearch_steps: int = 200,
    mixing_steps: int = 300,
    polish_iterations: int = 100,
    tolerance: float = 1e-6,
    merge_distance: float = 1e-9,
    outlier_distance: float = 10.0,
) -> FixedPoints:
    """Search for points with h = F(h, g) from each of ``starts``.

    Args:
        component: the optimizer, float64.
        starts: states to start from.
        g: the constant gradient.
        presearch_steps: how often the map is applied before anything else. With 0, and
            ``mixing_steps`` 0, unstable fixed points near a start are found as well as stable ones.
        mixing_steps: the most evaluations of the mixing.
        polish_iterations: the most Newton or Levenberg-Marquardt steps per start.
        tolerance: largest error that counts as converged: of entries relative to their scales, of
            the effective learning rate and the update relative to theirs.
        merge_distance: points that differ by no more than this beyond their errors, in every entry
            and relative to its scale, are one.
        outlier_distance: points further from the mean start than this, in units of the starts'
            spread and mean entry by entry (root mean square), are outliers.

    Raises:
        ValueError: if ``starts`` is not a non-empty matrix of finite numbers, g is not finite, or
            the optimizer is not float64.

    >>> import jax
    >>> from lopt.optimizers.momentum import Momentum, MomentumTheta
    >>> with jax.enable_x64(True):
    ...     component = Momentum().component(MomentumTheta(learning_rate=0.1, momentum=0.5))
    ...     found = find_fixed_points(component, [[0.0], [3.0]], g=1.0)
    >>> found.points.round(10).tolist(), found.codes.tolist(), found.distinct_counts.tolist()
    ([[2.0], [2.0]], [0, 0], [2])
    """
    starts = check_states("starts", starts, check_component(component))
    _check_gradient(g)
    transition = component.transition
    run = np.asarray(root_search.run_map(transition, float64(starts), g, steps=presearch_steps))
    usable = np.all(np.isfinite(run), axis=1, keepdims=True)
    begin, mixed_steps = np.where(usable, run, starts), 0
    if mixing_steps and starts.shape[1] > root_search.MEMORY:
        # Below that size Newton's method itself costs next to nothing.
        mixed = root_search.mix(
            transition, float64(begin), g, MIXED, steps=mixing_steps, memory=root_search.MEMORY
        )
        better = np.isfinite(np.asarray(mixed[1]))[:, None]
        begin, mixed_steps = np.where(better, np.asarray(mixed[0]), begin), int(mixed[2])
    cloud = np.concatenate([starts, run[usable[:, 0]]])
    spread = spread_of(starts)
    ends = _search(transition, begin, g, spread, polish_iterations)
    ends = ends._replace(codes=_without_outliers(ends, cloud, outlier_distance))
    found = np.isin(ends.codes, (Code.CONVERGED, Code.CONTINUUM))
    relative = np.where(found, relative_errors(ends.errors, ends.scales, spread), np.inf)
    readings = read(component, ends.points, ends.errors, tolerance, spread)
    vague = (ends.codes == Code.CONVERGED) & ~((relative <= tolerance) & readings.determined)
    codes = np.where(vague, Code.UNDETERMINED, ends.codes)
    ends = ends._replace(codes=codes)
    groups, leaders = _group(transition, ends, g, spread, merge_distance)
    speeds = root_search.speed(ends.residuals)
    return FixedPoints(
        points=ends.points,
        speeds=np.where(np.isnan(speeds), np.inf, speeds),
        relative_errors=relative,
        iterations=ends.iterations + presearch_steps + mixed_steps,
        codes=codes,
        groups=groups,
        distinct_points=ends.points[leaders],
        distinct_errors=ends.errors[leaders],
        distinct_codes=codes[leaders],
        distinct_speeds=speeds[leaders],
        distinct_counts=np.bincount(groups[groups >= 0], minlength=len(leaders)),
    )


def spread_of(starts: Float[np.ndarray, "row state"]) -> Float[np.ndarray, " state"]:
    """Return how large each entry is among the starts: the floor of its scale is a share of this."""
    return np.max(np.abs(starts), axis=0)


def relative_errors(
    errors: Float[np.ndarray, "*rows state"],
    scales: Float[np.ndarray, "*rows state"],
    spread: Float[np.ndarray, " state"],
) -> Float[np.ndarray, "*rows"]:
    """Return max_i e_i / scale_i over entries whose error is more than rounding of the starts."""
    return scaled_size(np.where(errors <= FLOOR * spread, 0.0, errors), scales)


def code_of(
    component: ComponentOptimizer,
    root: Root,
    stagnant: bool,
    g: float,
    spread: Float[np.ndarray, " state"],
    tolerance: float,
) -> Code:
    """Return the ``Code`` of one root (outliers apart)."""
    if not root.found:
        return Code.SLOW_POINT if stagnant else Code.STALLED
    if root.singular and not root.jumps:
        if is_continuum(component.transition, root, g, spread):
            return Code.CONTINUUM
        return Code.UNDETERMINED
    determined = read(component, root.point[None], root.error[None], tolerance, spread).determined[
        0
    ]
    small = relative_errors(root.error, root.scale, spread) <= tolerance
    return Code.CONVERGED if determined and small else Code.UNDETERMINED


def _search(
    transition: Transition,
    starts: Float[np.ndarray, "row state"],
    g: float,
    spread: Float[np.ndarray, " state"],
    polish_iterations: int,
) -> _Ends:
    """End every search by Newton's method, the slowest first; what is close to it shares its end."""
    rows, size = starts.shape
    points = np.array(starts, np.float64)
    residuals = np.asarray(root_search.run_map(transition, float64(points), g, steps=1)) - points
    ends = _Ends(
        points,
        residuals,
        np.full((rows, size), np.inf),
        np.ones((rows, size)),
        np.zeros(rows, int),
        np.full(rows, int(Code.STALLED)),
        np.ones((rows, size), bool),
    )
    pending = np.ones(rows, bool)
    speeds = np.nan_to_num(root_search.speed(residuals), nan=np.inf)
    for row in np.argsort(speeds, kind="stable"):
        if not pending[row]:
            continue
        root, stagnant = find_root(transition, starts[row], g, spread, iterations=polish_iterations)
        isolated = root.found and (not root.singular or root.jumps)
        if root.found:
            continuum = not isolated and is_continuum(transition, root, g, spread)
            code = Code.CONTINUUM if continuum else Code.CONVERGED
            # Alone at a singular I - J: nothing bounds its error along the null vector.
            if not isolated and not continuum:
                root = root._replace(error=np.full(size, np.inf))
        else:
            code = Code.SLOW_POINT if stagnant else Code.STALLED
        for array, value in zip(
            ends,
            (root.point, root.residual, root.error, root.scale, root.iterations, code, root.kept),
            strict=True,
        ):
            array[row] = value
        pending[row] = False
        if isolated and not root.jumps and pending.any():
            pending &= ~_share(transition, ends, root, starts, pending, g, spread)
    return ends


def _share(
    transition: Transition,
    ends: _Ends,
    root: Root,
    starts: Float[np.ndarray, "row state"],
    pending: Bool[np.ndarray, " row"],
    g: float,
    spread: Float[np.ndarray, " state"],
) -> Bool[np.ndarray, " row"]:
    """Step pending rows by this root's inverse; enter and return those that end at this root.

    Such steps end at roots of the map whatever the inverse is, so that a row close to another root
    stays with that; it is left pending.
    """
    kept, points = root.kept, starts.copy()
    near = pending.copy()
    for step in range(SHARED_STEPS):
        values = np.asarray(root_search.run_map(transition, float64(points), g, steps=1))
        points[:, ~kept] = values[:, ~kept]
        steps = (values - points)[:, kept] @ root.inverse.T
        scale = np.maximum(root.scale, np.abs(points))[:, kept]
        if step == 0:
            near &= scaled_size(steps, scale) <= NEAR
        points[:, kept] += np.where(near[:, None], steps, 0.0)
    values = np.asarray(root_search.run_map(transition, float64(points), g, steps=1))
    residuals = values - points
    rounding = EPSILON * (np.abs(points) + np.abs(values) + root.scale)
    errors = np.tile(root.error, (len(points), 1))
    errors[:, kept] = (np.abs(residuals) + rounding)[:, kept] @ np.abs(root.inverse).T
    same = np.abs(points - root.point) <= errors + root.error + FLOOR * root.scale
    near &= np.all(same, axis=1)
    for array, value in (
        (ends.points, points),
        (ends.residuals, residuals),
        (ends.errors, errors),
        (ends.scales, np.broadcast_to(root.scale, points.shape)),
    ):
        array[near] = value[near]
    ends.iterations[near] = SHARED_STEPS
    ends.codes[near] = Code.CONVERGED
    ends.kept[near] = kept
    return near


def _without_outliers(
    ends: _Ends, cloud: Float[np.ndarray, "cloud state"], outlier_distance: float
) -> Int[np.ndarray, " row"]:
    """Return the codes, with OUTLIER where a point is not finite or far from the cloud of starts.

    Entries without memory, or without extent in the cloud, say nothing about the distance; a
    small entry's unit is at least a thousandth of the median one.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        center = cloud.mean(axis=0)
        unit = cloud.std(axis=0) + np.abs(center)
        extended = unit > 0.0
        unit = np.maximum(unit, 1e-3 * np.median(unit[extended])) if extended.any() else unit
        counted = ends.kept & extended
        shares = np.where(counted, ((ends.points - center) / unit) ** 2, 0.0)
        distances = np.sqrt(shares.sum(axis=1) / np.maximum(1, counted.sum(axis=1)))
    lost = ~np.all(np.isfinite(ends.residuals), axis=1) | ~(distances <= outlier_distance)
    return np.where(lost, Code.OUTLIER, ends.codes)


def _group(
    transition: Transition,
    ends: _Ends,
    g: float,
    spread: Float[np.ndarray, " state"],
    merge_distance: float,
) -> tuple[Int[np.ndarray, " row"], Int[np.ndarray, " distinct"]]:
    """Return each row's group (-1: none) and the groups' best rows, most often found first."""
    groups, leaders = np.full(len(ends.points), -1), []
    found = np.isin(ends.codes, (Code.CONVERGED, Code.UNDETERMINED, Code.CONTINUUM))
    errors = np.where(np.isfinite(ends.errors), ends.errors, 0.0)
    sizes = relative_errors(ends.errors, ends.scales, spread)
    rows = np.flatnonzero(found)
    for row in rows[np.argsort(sizes[rows], kind="stable")]:
        if groups[row] >= 0:
            continue
        allowed = errors + errors[row] + merge_distance * ends.scales[row] + FLOOR * spread
        if ends.codes[row] == Code.UNDETERMINED:
            # Alone at a singular I - J the state is known to a root of rounding.
            allowed = allowed + SINGLE * np.maximum(ends.scales[row], spread)
        near = found & (groups < 0) & np.all(np.abs(ends.points - ends.points[row]) <= allowed, 1)
        near &= (ends.codes == Code.CONTINUUM) == (ends.codes[row] == Code.CONTINUUM)
        groups[near] = len(leaders)
        leaders.append(int(row))
    groups = join_continua(transition, ends.points, ends.codes, g, spread, groups, leaders)
    kept = [leader for leader in leaders if groups[leader] == leaders.index(leader)]
    counts = np.array([np.sum(groups == leaders.index(leader)) for leader in kept], int)
    order = np.argsort(-counts, kind="stable")
    rank = np.full(len(leaders) + 1, -1)
    for position, index in enumerate(order):
        rank[leaders.index(kept[index])] = position
    return rank[groups], np.array([kept[index] for index in order], int)


def _check_gradient(g: float) -> None:
    if not np.ndim(g) == 0 or not np.isfinite(g):
        raise ValueError(f"g is {g!r}, expected one finite gradient")
