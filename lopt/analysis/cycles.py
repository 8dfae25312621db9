r"""Limit cycles of the autonomous map, and how stable a point or a cycle is.

A run is looked at for the smallest period p with h[k + p] = h[k], relative to the cycle's extent. One
that does not close within ``LONGEST_PERIOD`` steps is looked at every so many steps instead: if the
second half of that path lies where the first does, and is as wide, it goes round without ever
closing (a quasi-periodic or chaotic attractor, period 0). Stability is by spectrum: of dF/dh at a
point, of the product of dF/dh over a period of a cycle.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from lopt.analysis import root_search
from lopt.analysis.newton import EPSILON, linear_part
from lopt.analysis.readings import FLOOR, read
from lopt.analysis.root_search import Transition, float64
from lopt.optimizers.component import ComponentOptimizer
from lopt.optimizers.shared import jit_by_function
from lopt.records.analysis import Code

__all__ = ["Entry", "find_cycles", "radius_of", "range_of", "record"]

LONGEST_PERIOD = 64
CLOSED = 1e-6  # of a cycle's extent: how closely it must come back
SAMPLES = 2 * LONGEST_PERIOD  # states of a run that is looked at for a cycle
NEUTRAL = 1.0 - 1e-6  # a cycle of at least this spectral radius is neutral along itself
STEADY = 0.1  # of its extent: how much a cycle that never closes may differ from half to half


class Entry(NamedTuple):
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
    decomposition: Any = scipy.linalg.eig(jacobian, left=True, right=True)
    values, left, right = decomposition
    largest = int(np.argmax(np.abs(values)))
    # Its condition is 1 / |l^H r|; columns are normalized.
    overlap = abs(np.vdot(left[:, largest], right[:, largest]))
    error = 10.0 * EPSILON * np.linalg.norm(jacobian) / max(overlap, EPSILON)
    return radius, bool(radius - 1.0 <= error + FLOOR)


def range_of(values: Float[np.ndarray, " row"]) -> Float[np.ndarray, "2"]:
    return np.array([values.min(), values.max()])


@jit_by_function("transition", static=("samples",))
def record(
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


def find_cycles(
    component: ComponentOptimizer,
    states: Float[np.ndarray, "row state"],
    late: int,
    stride: int,
) -> list[Entry]:
    """Return an entry per cycle that ``states`` go round; states that settle to nothing give none.

    What does not close within ``LONGEST_PERIOD`` steps is looked at every ``stride`` steps.
    """
    paths = np.asarray(record(component.transition, float64(states), 1, samples=SAMPLES))
    coarse = None
    entries: list[tuple[Entry, np.ndarray]] = []
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
                    record(component.transition, float64(states), stride, samples=SAMPLES)
                )
            round_trip = coarse[:, row]
            with np.errstate(over="ignore", invalid="ignore"):  # what grows for ever is no cycle
                extent = float(np.linalg.norm(np.ptp(round_trip, axis=0)))
            if not 0.0 < extent < np.inf or not _steady(round_trip, extent):
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
    first: Entry,
    first_path: Float[np.ndarray, "step state"],
    second: Entry,
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
) -> Entry:
    readings = read(component, path, np.zeros_like(path), 1.0)
    radius, stable = np.nan, True
    if period:
        product = np.eye(path.shape[1])
        for state in path:
            product = linear_part(component.transition, state, 0.0).jacobian @ product
        radius, stable = radius_of(product)
        radius **= 1.0 / period
    return Entry(
        path[0],
        0.5 * np.ptp(path, axis=0),
        int(Code.LIMIT_CYCLE),
        stable,
        0.0,
        0.0,
        radius,
        period,
        readings.learning_rates.mean(),
        range_of(readings.learning_rates),
        readings.updates.mean(),
        range_of(readings.updates),
    )
