r"""What runs of an optimizer end at once the gradient is 0: points, continua of them, cycles.

The map is run on from the late states of runs; Newton's method then finds the fixed point next to
where that led. A state *arrives* at that point if the point is stable and

* running on led there, or
* the second half of the run was what the linear map about the point predicts,
  h_end - h* ~ J^k (h_middle - h*): near a stable point this goes on for ever, however slow it is
  (with an eigenvalue 1 - 1e-5, 1,000 steps cover a hundredth of the way), or
* the distance to it, measured in mode coordinates, fell from each eighth of the second half to the
  next (where the map is far from linear, yet slow).

The last two say nothing of a mode that turns without decaying (|eigenvalue| = 1, no eigenvalue 1): what
a state has along it never gets there, and then the state does not arrive.

States that do none of this are run on for longer, and then looked at for a cycle (``cycles``).

Stability is by spectrum: max |eigenvalue of dF/dh| at most 1 within the eigenvalue's error.

Source: arXiv 2011.02159, section 4 has one convergence point per optimizer; here that is a result.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from lopt.analysis import root_search
from lopt.analysis.checks import check_component, check_states
from lopt.analysis.cycles import Entry, find_cycles, radius_of, range_of, record
from lopt.analysis.fixed_point_search import SINGLE, find_fixed_points, spread_of
from lopt.analysis.newton import linear_part, scaled_size
from lopt.analysis.readings import FLOOR, read
from lopt.analysis.root_search import Transition, float64
from lopt.optimizers.component import ComponentOptimizer
from lopt.records.analysis import Attractors, Code, FixedPoints

__all__ = ["Settled", "find_attractors", "settle", "spectral_radius"]

ARRIVED = 1e-6  # largest distance, relative to scales, that counts as arrived
PREDICTED = 0.05  # largest departure from the linear prediction, of the distance to the point
EIGHTHS = 8  # pieces of the second half of a run
UNDECAYING = 1e-9  # a mode that decays no faster than this per step, ...
TURNING = 1e-4  # ... and whose eigenvalue is further than this from 1, turns for ever
FALLING = 1e-6  # smallest fall of the distance, from piece to piece, that is no rounding
PATIENCE = 10  # times as many steps for states that did not settle


class Settled(NamedTuple):
    """The attractors, and the fixed points found from where late states were led."""

    attractors: Attractors
    fixed_points: FixedPoints


def find_attractors(
    component: ComponentOptimizer,
    late_states: Float[ArrayLike, "late state"],
    *,
    steps: int = 1000,
    others: FixedPoints | None = None,
    **search: Any,
) -> Attractors:
    """Return everything that runs of the optimizer end at for g = 0, the largest basin first.

    Args:
        component: the optimizer, float64.
        late_states: states at the end of runs on problems.
        steps: how long to run on.
        others: fixed points for g = 0 found otherwise; those that are not among the attractors
            are listed too.
        **search: further arguments of ``find_fixed_points``.

    Raises:
        ValueError: if ``late_states`` is not a non-empty matrix of finite numbers.

    >>> import jax
    >>> from lopt.optimizers.momentum import Momentum, MomentumTheta
    >>> with jax.enable_x64(True):
    ...     component = Momentum().component(MomentumTheta(learning_rate=0.1, momentum=0.9))
    ...     found = find_attractors(component, [[1.0], [2.0]])
    >>> found.basin_shares.tolist(), found.spectral_radii.tolist(), found.learning_rates.tolist()
    ([1.0], [0.9], [0.1])
    """
    return settle(component, late_states, steps=steps, others=others, **search).attractors


def settle(
    component: ComponentOptimizer,
    late_states: Float[ArrayLike, "late state"],
    *,
    steps: int,
    others: FixedPoints | None = None,
    tolerance: float = 1e-6,
    **search: Any,
) -> Settled:
    """Return the attractors as ``find_attractors`` does, and the search that found them."""
    late = check_states("late_states", late_states, check_component(component))
    transition, spread = component.transition, spread_of(late)
    search = search | {"tolerance": tolerance, "presearch_steps": 0}
    path, stride = _second_half(transition, late, steps)
    ends = path[-1]
    alive = np.all(np.isfinite(ends), axis=1)
    starts = np.where(alive[:, None], ends, late)
    found = find_fixed_points(component, starts, **search)
    radii = [spectral_radius(transition, point) for point in found.distinct_points]
    arrived = alive & _arrived(transition, found, radii, path, stride, spread)
    groups, points = np.where(arrived, found.groups, -1), found.points.copy()
    longer = np.flatnonzero(alive & ~arrived)
    if longer.size:
        # Only those that have not settled: they may end at a point, known or not, or nowhere.
        ends = ends.copy()
        states = starts[longer]
        path, stride = _second_half(transition, states, PATIENCE * steps)
        last = path[-1]
        usable = np.all(np.isfinite(last), axis=1)
        ends[longer] = last
        again = find_fixed_points(component, np.where(usable[:, None], last, states), **search)
        again_radii = [spectral_radius(transition, point) for point in again.distinct_points]
        settled = usable & _arrived(transition, again, again_radii, path, stride, spread)
        found, radii, place = _united(found, radii, again, again_radii, spread)
        groups[longer] = np.where(settled, place[again.groups], -1)
        points[longer] = again.points
        alive[longer] = usable
    entries = _point_entries(component, found, radii, groups, points, ends, spread, tolerance)
    rows = np.flatnonzero(alive & (groups < 0))
    if rows.size:
        entries += find_cycles(component, ends[rows], len(late), max(1, steps // 4))
    if others is not None:
        extra_radii = [spectral_radius(transition, point) for point in others.distinct_points]
        before = len(found.distinct_points)
        united, radii, _ = _united(found, radii, others, extra_radii, spread)
        none = np.full(len(late), -1)
        listed = _point_entries(component, united, radii, none, points, ends, spread, tolerance)
        entries += listed[before:]
    entries.sort(key=lambda entry: (-entry.basin_share, not entry.stable))
    return Settled(_table(entries, late.shape[1]), found)


def spectral_radius(
    transition: Transition, point: Float[np.ndarray, " state"]
) -> tuple[float, bool]:
    """Return max |eigenvalue of dF/dh| at g = 0, and whether it is at most 1 within its error.

    >>> import jax
    >>> with jax.enable_x64(True):
    ...     spectral_radius(lambda h, g: -0.5 * h, np.zeros(1))
    (0.5, True)
    """
    return radius_of(linear_part(transition, point, 0.0).jacobian)


def _second_half(
    transition: Transition, states: Float[np.ndarray, "late state"], steps: int
) -> tuple[Float[np.ndarray, "checkpoint late state"], int]:
    """Return nine states of the second half of a run of ``steps``, and the steps between them."""
    stride = max(1, steps // (2 * EIGHTHS))
    first = max(0, steps - EIGHTHS * stride)
    middle = root_search.run_map(transition, float64(states), 0.0, steps=first)
    path = record(transition, middle, stride, samples=EIGHTHS + 1)
    return np.asarray(path), stride


def _arrived(
    transition: Transition,
    found: FixedPoints,
    radii: list[tuple[float, bool]],
    path: Float[np.ndarray, "checkpoint late state"],
    stride: int,
    spread: Float[np.ndarray, " state"],
) -> Bool[np.ndarray, " late"]:
    """Return which rows arrive at the stable fixed point that was found from their last state."""
    arrived = np.zeros(path.shape[1], bool)
    for group, (point, (_, stable)) in enumerate(zip(found.distinct_points, radii, strict=True)):
        rows = np.flatnonzero(found.groups == group)
        if not stable or not rows.size:
            continue
        # On a continuum every row has its own point.
        targets = found.points[rows]
        with np.errstate(over="ignore", invalid="ignore"):
            left = path[:, rows] - targets
            close = scaled_size(left[-1], np.maximum(np.abs(targets), spread)) <= ARRIVED
            jacobian = linear_part(transition, point, 0.0).jacobian
            power = np.linalg.matrix_power(jacobian, EIGHTHS * stride)
            departure = np.linalg.norm(left[-1] - left[0] @ power.T, axis=1)
            linear = departure <= PREDICTED * np.linalg.norm(left[-1], axis=1)
            # In mode coordinates a linear approach never turns outward for a while.
            values, vectors = np.linalg.eig(jacobian)
            ends = np.ones(len(rows), bool)
            if np.linalg.cond(vectors) < 1.0 / FLOOR:
                left = left @ np.linalg.inv(vectors).T
                turning = (np.abs(values) > 1.0 - UNDECAYING) & (np.abs(values - 1.0) > TURNING)
                stays = np.real(left[-1][:, turning] @ vectors[:, turning].T)
                ends = scaled_size(stays, np.maximum(np.abs(targets), spread)) <= ARRIVED
            distances = np.linalg.norm(left, axis=2)
            falling = np.all(np.diff(distances, axis=0) < -FALLING * distances[:-1], axis=0)
        arrived[rows] = close | ((linear | falling) & ends)
    return arrived


def _united(
    found: FixedPoints,
    radii: list[tuple[float, bool]],
    others: FixedPoints,
    other_radii: list[tuple[float, bool]],
    spread: Float[np.ndarray, " state"],
) -> tuple[FixedPoints, list[tuple[float, bool]], Int[np.ndarray, " distinct_plus_1"]]:
    """Append the distinct points of ``others`` that are new; the last value maps their groups."""
    points, errors, codes = found.distinct_points, found.distinct_errors, found.distinct_codes
    speeds, counts, radii = found.distinct_speeds, found.distinct_counts, list(radii)
    place = np.full(len(others.distinct_points) + 1, -1)
    for number, point in enumerate(others.distinct_points):
        error, code = others.distinct_errors[number], others.distinct_codes[number]
        allowed = np.nan_to_num(errors, posinf=0.0) + np.nan_to_num(error, posinf=0.0)
        allowed += (
            SINGLE * np.maximum(np.abs(points), spread) * (codes == Code.UNDETERMINED)[:, None]
        )
        allowed += 1e-9 * np.abs(points) + FLOOR * spread
        # One continuum is taken for another: they cannot be told apart by one point of each.
        same = np.all(np.abs(points - point) <= allowed, axis=1)
        same |= (codes == Code.CONTINUUM) & (code == Code.CONTINUUM)
        if same.any():
            place[number] = int(np.argmax(same))
            continue
        place[number] = len(points)
        points, errors = np.vstack([points, point]), np.vstack([errors, error])
        codes, speeds = np.append(codes, code), np.append(speeds, others.distinct_speeds[number])
        counts = np.append(counts, others.distinct_counts[number])
        radii.append(other_radii[number])
    united = found._replace(
        distinct_points=points,
        distinct_errors=errors,
        distinct_codes=codes,
        distinct_speeds=speeds,
        distinct_counts=counts,
    )
    return united, radii, place


def _point_entries(
    component: ComponentOptimizer,
    found: FixedPoints,
    radii: list[tuple[float, bool]],
    groups: Int[np.ndarray, " late"],
    points: Float[np.ndarray, "late state"],
    ends: Float[np.ndarray, "late state"],
    spread: Float[np.ndarray, " state"],
    tolerance: float,
) -> list[Entry]:
    """Return an entry per distinct point; ``groups`` says who arrives at which."""
    if not len(found.distinct_points):
        return []
    entries = []
    readings = read(component, found.distinct_points, found.distinct_errors, tolerance)
    for number, (point, (radius, stable)) in enumerate(
        zip(found.distinct_points, radii, strict=True)
    ):
        rows, error = np.flatnonzero(groups == number), found.distinct_errors[number]
        distance = np.max(np.linalg.norm(ends[rows] - points[rows], axis=1), initial=0.0)
        rate, update = readings.learning_rates[number], readings.updates[number]
        intervals = readings.learning_rate_intervals[number], readings.update_intervals[number]
        code = int(found.distinct_codes[number])
        if code == Code.CONTINUUM and rows.size:
            visited = read(component, points[rows], np.zeros_like(points[rows]), tolerance)
            middle = points[rows].mean(axis=0)
            point = points[rows][np.argmin(np.linalg.norm(points[rows] - middle, axis=1))]
            error = np.maximum(error, 0.5 * np.ptp(points[rows], axis=0))
            rate, update = visited.learning_rates.mean(), visited.updates.mean()
            intervals = range_of(visited.learning_rates), range_of(visited.updates)
        entries.append(
            Entry(
                point,
                error,
                code,
                stable,
                len(rows) / len(groups),
                float(distance) if rows.size else np.inf,
                radius,
                1,
                rate,
                intervals[0],
                update,
                intervals[1],
            )
        )
    return entries


def _table(entries: list[Entry], size: int) -> Attractors:
    if not entries:
        none, pairs = np.empty(0), np.empty((0, 2))
        states, counts = np.empty((0, size)), np.empty(0, int)
        return Attractors(
            states, states, counts, counts, none, none, none, counts, none, pairs, none, pairs
        )
    table = Attractors(*(np.array(column) for column in zip(*entries, strict=True)))
    return table._replace(stable=table.stable.astype(int))
