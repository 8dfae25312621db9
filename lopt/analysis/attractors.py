r"""What runs of an optimizer end at once the gradient is 0: points, continua of them, cycles.

The map is run on from the late states of runs; Newton's method then finds the fixed point next to
where that led. A state *arrives* at that point if the point is stable and

* running on led there, or
* the second half of the run was what the linear map about the point predicts,
  h_end - h* ~ J^k (h_middle - h*): near a stable point this goes on for ever, however slow it is
  (with an eigenvalue 1 - 1e-5, 1,000 steps cover a hundredth of the way), or
* the distance to it, measured in mode coordinates, fell from each eighth of the second half to the
  next (where the map is far from linear, yet slow).

States that do neither are run on for longer, and then looked at for a cycle: the smallest p with
h[k + p] = h[k]; one that keeps its extent without ever closing is a cycle of period 0.

Stability is by spectrum: max |eigenvalue of dF/dh| at most 1 within the eigenvalue's error.

Source: arXiv 2011.02159, section 4 has one convergence point per optimizer; here that is a result.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.linalg
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from lopt.analysis import root_search
from lopt.analysis.checks import check_component, check_states
from lopt.analysis.fixed_point_search import SINGLE, find_fixed_points, spread_of
from lopt.analysis.newton import EPSILON, linear_part, scaled_size
from lopt.analysis.readings import FLOOR, read
from lopt.analysis.root_search import Transition, float64
from lopt.optimizers.component import ComponentOptimizer
from lopt.records.analysis import Attractors, Code, FixedPoints

__all__ = ["Settled", "find_attractors", "settle", "spectral_radius"]

ARRIVED = 1e-6  # largest distance, relative to scales, that counts as arrived
PREDICTED = 0.05  # largest departure from the linear prediction, of the distance to the point
EIGHTHS = 8  # pieces of the second half of a run
FALLING = 1e-6  # smallest fall of the distance, from piece to piece, that is no rounding
PATIENCE = 10  # times as many steps for states that did not settle
LONGEST_PERIOD = 64
CLOSED = 1e-6  # of a cycle's extent: how closely it must come back
SAMPLES = 2 * LONGEST_PERIOD  # states of a run that is looked at for a cycle
NEUTRAL = 1.0 - 1e-6  # a cycle of at least this spectral radius is neutral along itself
STEADY = 0.1  # of its extent: how much a cycle that never closes may differ from half to half


class Settled(NamedTuple):
    """The attractors, and the fixed points found from where late states were led."""

    attractors: Attractors
    fixed_points: FixedPoints


class _Entry(NamedTuple):
    """One row of ``Attractors``."""

    point: Float[np.ndarray, " state"]
    error: Float[np.ndarray, " state"]
    code: int
    stable: bool
    basin_share: float
    basin_distance: float
    spectral_radius: float
    period: int
    learning_rate: float
    learning_rate_interval: Float[np.ndarray, "2"]
    update: float
    update_interval: Float[np.ndarray, "2"]


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
        entries += _cycles(component, ends[rows], len(late), max(1, steps // 4))
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

    >>> with jax.enable_x64(True):
    ...     spectral_radius(lambda h, g: -0.5 * h, np.zeros(1))
    (0.5, True)
    """
    return radius_of(linear_part(transition, point, 0.0).jacobian)


def radius_of(jacobian: Float[np.ndarray, "state state"]) -> tuple[float, bool]:
    """Return the spectral radius of a matrix, and whether it is at most 1 within its error."""
    if not np.all(np.isfinite(jacobian)):
        return np.nan, False
    values = np.linalg.eigvals(jacobian)
    radius = float(np.max(np.abs(values)))
    if radius <= 1.0:
        return radius, True
    if radius > 1.01:
        return radius, False
    values, left, right = scipy.linalg.eig(jacobian, left=True, right=True)
    largest = int(np.argmax(np.abs(values)))
    # Its condition is 1 / |l^H r|; columns are normalized.
    overlap = abs(np.vdot(left[:, largest], right[:, largest]))
    error = 10.0 * EPSILON * np.linalg.norm(jacobian) / max(overlap, EPSILON)
    return radius, bool(radius - 1.0 <= error + FLOOR)


def _second_half(
    transition: Transition, states: Float[np.ndarray, "late state"], steps: int
) -> tuple[Float[np.ndarray, "checkpoint late state"], int]:
    """Return nine states of the second half of a run of ``steps``, and the steps between them."""
    stride = max(1, steps // (2 * EIGHTHS))
    first = max(0, steps - EIGHTHS * stride)
    middle = root_search.run_map(transition, float64(states), 0.0, steps=first)
    path = _record(transition, middle, stride, samples=EIGHTHS + 1)
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
            vectors = np.linalg.eig(jacobian)[1]
            if np.linalg.cond(vectors) < 1.0 / FLOOR:
                left = left @ np.linalg.inv(vectors).T
            distances = np.linalg.norm(left, axis=2)
            falling = np.all(np.diff(distances, axis=0) < -FALLING * distances[:-1], axis=0)
        arrived[rows] = close | linear | falling
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
) -> list[_Entry]:
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
            intervals = _range(visited.learning_rates), _range(visited.updates)
        entries.append(
            _Entry(
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


def _range(values: Float[np.ndarray, " row"]) -> Float[np.ndarray, "2"]:
    return np.array([values.min(), values.max()])


@partial(jax.jit, static_argnames=("transition", "samples"))
def _record(
    transition: Transition, h: Float[Array, "row state"], stride: int, *, samples: int
) -> Float[Array, "samples row state"]:
    """Return every ``stride``-th state of the autonomous runs from ``h``."""

    def ahead(h: Array, _: None) -> tuple[Array, Array]:
        return root_search.run_map(transition, h, 0.0, steps=stride), h

    return jax.lax.scan(ahead, h, length=samples)[1]


def _steady(path: Float[np.ndarray, "step state"], extent: float) -> bool:
    """Return whether the second half of a path lies where the first does, and is as wide."""
    first, last = np.split(path, [len(path) // 2])
    shift = np.linalg.norm(first.mean(axis=0) - last.mean(axis=0))
    growth = np.linalg.norm(np.ptp(first, axis=0) - np.ptp(last, axis=0))
    return bool(np.all(np.isfinite(path)) and max(shift, growth) <= STEADY * extent)


def _cycles(
    component: ComponentOptimizer,
    states: Float[np.ndarray, "row state"],
    late: int,
    stride: int,
) -> list[_Entry]:
    """Return an entry per cycle that ``states`` go round; states that settle to nothing give none.

    What does not close within ``LONGEST_PERIOD`` steps is looked at every ``stride`` steps.
    """
    paths = np.asarray(_record(component.transition, float64(states), 1, samples=SAMPLES))
    coarse = None
    entries: list[tuple[_Entry, np.ndarray]] = []
    members: list[list[int]] = []
    for row in range(len(states)):
        path = paths[:, row]
        if not np.all(np.isfinite(path)):
            continue
        extent = float(np.linalg.norm(np.ptp(path, axis=0)))
        returns = (
            np.linalg.norm(path[period:] - path[:-period], axis=1).max()
            for period in range(1, LONGEST_PERIOD + 1)
        )
        closed = (p for p, size in enumerate(returns, 1) if size <= CLOSED * extent)
        period = next(closed, 0)
        round_trip = path[-period:]
        if not period:
            if coarse is None:
                coarse = np.asarray(
                    _record(component.transition, float64(states), stride, samples=SAMPLES)
                )
            round_trip = coarse[:, row]
            extent = float(np.linalg.norm(np.ptp(round_trip, axis=0)))
            if not extent > 0.0 or not _steady(round_trip, extent):
                continue
        new = _cycle_entry(component, round_trip, period)
        for (entry, trip), rows in zip(entries, members, strict=True):
            if _same_cycle(entry, trip, new, round_trip):
                rows.append(row)
                break
        else:
            members.append([row])
            entries.append((new, round_trip))
    return [
        entry._replace(basin_share=len(rows) / late)
        for (entry, _), rows in zip(entries, members, strict=True)
    ]


def _same_cycle(
    first: _Entry,
    first_path: Float[np.ndarray, "step state"],
    second: _Entry,
    second_path: Float[np.ndarray, "another state"],
) -> bool:
    """Return whether two round trips are of one cycle.

    One that attracts from all sides is passed at the same states. If it is neutral along itself
    (it never closes, or closes from any phase) states lie between each other: center and extent
    are compared.
    """
    extent = float(np.linalg.norm(first.error))
    if (
        first.period
        and second.period
        and max(first.spectral_radius, second.spectral_radius) < NEUTRAL
    ):
        near = np.linalg.norm(second_path - first.point, axis=1).min()
        return first.period == second.period and bool(near <= 1e-3 * extent)
    apart = np.linalg.norm(first_path.mean(axis=0) - second_path.mean(axis=0))
    return bool(max(apart, np.linalg.norm(first.error - second.error)) <= 4.0 * STEADY * extent)


def _cycle_entry(
    component: ComponentOptimizer, path: Float[np.ndarray, "step state"], period: int
) -> _Entry:
    readings = read(component, path, np.zeros_like(path), 1.0)
    radius, stable = np.nan, True
    if period:
        product = np.eye(path.shape[1])
        for state in path:
            product = linear_part(component.transition, state, 0.0).jacobian @ product
        radius, stable = radius_of(product)
        radius **= 1.0 / period
    return _Entry(
        path[0],
        0.5 * np.ptp(path, axis=0),
        int(Code.LIMIT_CYCLE),
        stable,
        0.0,
        0.0,
        radius,
        period,
        readings.learning_rates.mean(),
        _range(readings.learning_rates),
        readings.updates.mean(),
        _range(readings.updates),
    )


def _table(entries: list[_Entry], size: int) -> Attractors:
    if not entries:
        none, pairs = np.empty(0), np.empty((0, 2))
        states, counts = np.empty((0, size)), np.empty(0, int)
        return Attractors(
            states, states, counts, counts, none, none, none, counts, none, pairs, none, pairs
        )
    table = Attractors(*(np.array(column) for column in zip(*entries, strict=True)))
    return table._replace(stable=table.stable.astype(int))
