r"""Where an optimizer is stable and how fast: its closed loop with f = 1/2 lambda x^2.

An optimizer that acts on components acts on every eigendirection of a quadratic alone, so this loop says what
it does on any of them. Linearized at h*, with z = h - h* and g = lambda x,

    z' = J z + j lambda x,        x' = x + dx* + r^T z',

the joint map of (x, z) is

    M = [[1 + lambda r^T j,  r^T J],
         [lambda j,          J    ]].

Its spectral radius says whether the loop is stable. How fast x decays is another matter: a mode of the state
that no gradient moves, or no update sees, stays in the spectrum and does nothing. Mode m takes part in x with
the weight (e_x^T R)_m (R^-1 e_x)_m, whose sum is 1: x_k = sum_m weight_m mu_m^k. The rate is the largest
|mu_m| among those of at least ``TAKES_PART``; where all of these decay, one that grows counts from
``GROWS`` on, since in time x is nothing else.

At rest the drift dx* is balanced by the gradient: 0 = dx* + r^T (I - J)^-1 j g, so that

    x = dx* / (lambda G),        G = -r^T (I - J)^-1 j = sum_m alpha_m / (1 - lambda_m).

Closed form, for the heavy ball: mu^2 - (1 + beta - alpha lambda) mu + beta = 0; stable for
lambda < 2 (1 + beta) / alpha; rate sqrt(beta) where its roots are complex (Polyak 1964).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import scipy.optimize
from jaxtyping import Bool, Float, Int

from lopt.optimizers.momentum import optimal_momentum
from lopt.records.interventions import Stability

__all__ = [
    "ClosedLoop",
    "HeavyBall",
    "Linear",
    "StableRange",
    "closed_loop",
    "curvature_grid",
    "decaying",
    "joint_map",
    "linear_response",
    "optimal_heavy_ball",
    "stability_record",
    "stable_range",
    "stationary_errors",
    "total_gain",
]

TAKES_PART = 1e-3
"""The least weight of a mode that x takes part in: a thousandth of where x started."""
GROWS = 1e-9
"""The least weight of a mode that grows: far above the rounding of what takes no part."""
GRID, SMALL_SHARE = 61, 0.01
ROUNDING = 8.0 * float(np.finfo(float).eps)
"""Of |mu|, for each variable of the loop."""


class Linear(Protocol):
    """What is read of ``lopt.records.analysis.Linearization``, which explains the fields."""

    @property
    def update(self) -> Float[np.ndarray, ""]: ...
    @property
    def jacobian(self) -> Float[np.ndarray, "state state"]: ...
    @property
    def input_vector(self) -> Float[np.ndarray, " state"]: ...
    @property
    def readout_vector(self) -> Float[np.ndarray, " state"]: ...


class ClosedLoop(NamedTuple):
    """One optimizer at every curvature of a grid."""

    spectral_radii: Float[np.ndarray, " curvature"]
    rates: Float[np.ndarray, " curvature"]


def joint_map(linear: Linear, curvature: float) -> Float[np.ndarray, "joint joint"]:
    """Return M, the map of (x, h - h*) at one curvature."""
    j, r = linear.input_vector, linear.readout_vector
    top = np.append(1.0 + curvature * (r @ j), r @ linear.jacobian)
    below = np.concatenate([curvature * j[:, None], linear.jacobian], axis=1)
    return np.concatenate([top[None], below])


def closed_loop(linear: Linear, curvatures: Float[np.ndarray, " curvature"]) -> ClosedLoop:
    """Return the spectral radius of the loop, and the rate at which x decays, at every curvature.

    >>> heavy_ball = HeavyBall.of(learning_rate=1.0, momentum=0.81)
    >>> closed_loop(heavy_ball, np.array([1.0])).rates.round(12).tolist()
    [0.9]
    """
    pairs = [_radius_and_rate(joint_map(linear, float(value))) for value in curvatures]
    return ClosedLoop(*map(np.array, zip(*pairs, strict=True)))


def _radius_and_rate(matrix: Float[np.ndarray, "joint joint"]) -> tuple[float, float]:
    values, right = np.linalg.eig(matrix)
    sizes = np.abs(values)
    start = np.eye(len(matrix))[0]
    try:
        weights = np.abs(right[0] * np.linalg.solve(right, start))
    except np.linalg.LinAlgError:  # a Jordan block: whatever is in it counts
        weights = np.ones(len(values))
    seen = weights >= TAKES_PART
    rate = float(sizes[seen].max() if seen.any() else sizes.max())
    growing = float(sizes[weights >= GROWS].max(initial=0.0))
    if rate <= 1.0 < growing - ROUNDING * len(matrix):
        rate = growing
    # What neither decays nor grows has a rate of 1 but for rounding, which must not say which.
    neutral = abs(rate - 1.0) <= ROUNDING * len(matrix)
    return float(sizes.max()), 1.0 if neutral else rate


class StableRange(NamedTuple):
    """Where x decays.

    Between the two an optimizer may have unstable bands; a heavy ball has none, and both are the same.
    """

    up_to: float
    """Below this curvature x decays (infinite: on the whole grid; 0: not at its first)."""
    largest: float
    """The largest curvature at which it does (infinite: at the grid's last; 0: at none)."""


def stable_range(
    linear: Linear,
    curvatures: Float[np.ndarray, " curvature"],
    rates: Float[np.ndarray, " curvature"] | None = None,
) -> StableRange:
    """Return where x decays, each crossing of 1 on the grid found to the last digits.

    The grid says how narrow a band may be to be missed. ``rates`` are those of ``closed_loop`` on it.
    """
    rates = closed_loop(linear, curvatures).rates if rates is None else rates
    decays = rates < 1.0
    stable, unstable = np.flatnonzero(decays), np.flatnonzero(~decays)
    if not unstable.size:
        return StableRange(np.inf, np.inf)
    if not stable.size:
        return StableRange(0.0, 0.0)
    first, last = unstable[0], stable[-1]
    up_to = _crossing(linear, *curvatures[first - 1 : first + 1]) if first else 0.0
    if last == len(curvatures) - 1:
        return StableRange(up_to, np.inf)
    return StableRange(up_to, _crossing(linear, *curvatures[last : last + 2]))


def decaying(
    linear: Linear, curvatures: Float[np.ndarray, " met"], grid: Float[np.ndarray, " curvature"]
) -> Bool[np.ndarray, " met"]:
    """Return at which curvatures x decays, each crossing of 1 on the grid found to the last digits.

    Beyond the ends of the grid it does what it does there; a band narrower than the grid may be missed.

    >>> decaying(HeavyBall.of(1.0, 0.0), np.array([1.0, 1.99, 2.01]), np.array([0.1, 1.0, 10.0])).tolist()
    [True, True, False]
    """
    stable = closed_loop(linear, grid).rates < 1.0
    edges = [
        _crossing(linear, *grid[[k, k + 1] if stable[k] else [k + 1, k]])
        for k in np.flatnonzero(stable[1:] != stable[:-1])
    ]
    passed = np.searchsorted(np.array(edges, np.float64), curvatures, side="right")
    return (passed % 2 == 0) == stable[0]


def _crossing(linear: Linear, stable: float, unstable: float) -> float:
    """Return where the rate crosses 1 between a stable and an unstable curvature, the stable one first."""

    def beyond(curvature: float) -> float:
        return _radius_and_rate(joint_map(linear, curvature))[1] - 1.0

    if beyond(unstable) == 0.0:  # neither side: it is the crossing
        return float(unstable)
    ends = sorted((stable, unstable))
    root: Any = scipy.optimize.brentq(beyond, *ends, xtol=1e-300, rtol=np.float64(1e-14))
    return float(root)


def stationary_errors(
    linear: Linear, curvatures: Float[np.ndarray, " curvature"]
) -> Float[np.ndarray, " curvature"]:
    """Return |x| at which the loop rests where the drift and the gradient balance: |dx*| / (lambda |G|)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(float(linear.update) / (np.asarray(curvatures) * total_gain(linear)))


def total_gain(linear: Linear) -> float:
    """Return G = -r^T (I - J)^-1 j, the whole displacement that a unit impulse of the gradient causes.

    A part of the state that stays where it is (an eigenvalue 1) does no harm if no gradient moves it, in any
    basis. If one does and the update sees it, the displacement goes on for ever: G is infinite, with its sign
    (NaN where the part that stays is itself driven by another, as in a double sum).
    """
    j, r = np.asarray(linear.input_vector), np.asarray(linear.readout_vector)
    size, eps = len(j), float(np.finfo(float).eps)
    matrix = np.eye(size) - linear.jacobian
    left, sizes, right = np.linalg.svd(matrix)
    staying = sizes <= 10.0 * size * eps * max(sizes[0], 1.0)
    if not staying.any():
        return float(-r @ np.linalg.solve(matrix, j))
    # (I - J) y + V c = j with U^T y = 0: V stays, U^T tells how much of it a vector has, c is what j has.
    kept, seen = right[staying].T, left[:, staying].T
    bordered = np.block([[matrix, kept], [seen, np.zeros((len(seen), len(seen)))]])
    wanted = np.append(j, np.zeros(len(seen)))
    found = np.linalg.lstsq(bordered, wanted)[0]
    scale = float(np.linalg.norm(j) * max(1.0, np.linalg.norm(found)))
    if np.linalg.norm(bordered @ found - wanted) > eps**0.5 * scale:
        return np.nan
    for_ever = -r @ kept @ found[size:]
    if abs(for_ever) > eps**0.5 * np.linalg.norm(r) * np.linalg.norm(j):
        return float(np.copysign(np.inf, for_ever))
    return float(-r @ found[:size])


def linear_response(linear: Linear, steps: int) -> Float[np.ndarray, " steps"]:
    """Return -r^T J^k j, k = 0, 1, ...: by products, since a delay has no eigenvectors."""
    vector, response = np.asarray(linear.input_vector), []
    for _ in range(steps):
        response.append(-linear.readout_vector @ vector)
        vector = linear.jacobian @ vector
    return np.array(response)


def curvature_grid(
    met: Float[np.ndarray, " met"], weights: Float[np.ndarray, " met"]
) -> Float[np.ndarray, " curvature"]:
    """Return curvatures from a tenth of the small ones met to ten times the largest, in equal ratios.

    Small is what a hundredth of the positive ones stays below.

    Raises:
        ValueError: if none is positive.
    """
    low, high = _reach(met, weights)
    return np.geomspace(0.1 * low, 10.0 * high, GRID)


class HeavyBall(NamedTuple):
    """v' = beta v + g, dx = drift - alpha v', in the form of a linearization."""

    update: Float[np.ndarray, ""]
    jacobian: Float[np.ndarray, "state state"]
    input_vector: Float[np.ndarray, " state"]
    readout_vector: Float[np.ndarray, " state"]

    @classmethod
    def of(cls, learning_rate: float, momentum: float, drift: float = 0.0) -> "HeavyBall":
        """Return the heavy ball with these hyperparameters, and a drift."""
        return cls(
            np.asarray(drift), np.array([[momentum]]), np.ones(1), np.array([-learning_rate])
        )


def optimal_heavy_ball(
    met: Float[np.ndarray, " met"], weights: Float[np.ndarray, " met"]
) -> HeavyBall:
    """Return the heavy ball that is fastest on the curvatures met (Polyak 1964).

    These reach from what a hundredth of the positive ones stays below to the largest.

    Raises:
        ValueError: if none is positive.
    """
    low, high = _reach(met, weights)
    theta = optimal_momentum(low, high)
    return HeavyBall.of(theta.learning_rate, theta.momentum)


def _reach(
    met: Float[np.ndarray, " met"], weights: Float[np.ndarray, " met"]
) -> tuple[float, float]:
    met, weights = np.asarray(met, np.float64), np.asarray(weights, np.float64)
    positive = met > 0.0
    if not positive.any():
        raise ValueError("none of the curvatures met is positive")
    order = np.argsort(met[positive])
    values, shares = met[positive][order], np.cumsum(weights[positive][order])
    low = values[np.searchsorted(shares, SMALL_SHARE * shares[-1])]
    return float(max(low, 1e-8 * values[-1])), float(values[-1])


def stability_record(
    rows: Sequence[tuple[str, int, Linear]],
    curvatures: Float[np.ndarray, " curvature"],
    met: Float[np.ndarray, " met"],
    weights: Float[np.ndarray, " met"],
    iterations: Int[np.ndarray, " met"],
) -> Stability:
    """Return the closed loops of several optimizers at the same curvatures, to be stored.

    Args:
        rows: (name, training seed or -1, linearization at h*).
        curvatures: the grid, ascending.
        met: curvatures of the task along runs, ...
        weights: ... their shares of the spectrum ...
        iterations: ... and the iteration of each.
    """
    loops = [closed_loop(linear, curvatures) for _, _, linear in rows]
    ranges = [
        stable_range(linear, curvatures, loop.rates)
        for (_, _, linear), loop in zip(rows, loops, strict=True)
    ]
    return Stability(
        optimizers=np.array([name for name, _, _ in rows]),
        seeds=np.array([seed for _, seed, _ in rows]),
        curvatures=np.asarray(curvatures, np.float64),
        spectral_radii=np.stack([loop.spectral_radii for loop in loops]),
        rates=np.stack([loop.rates for loop in loops]),
        stable_up_to=np.array([found.up_to for found in ranges]),
        largest_stable=np.array([found.largest for found in ranges]),
        learning_rates=np.array([float(-a.readout_vector @ a.input_vector) for _, _, a in rows]),
        drifts=np.array([float(linear.update) for _, _, linear in rows]),
        stationary_errors=np.stack(
            [stationary_errors(linear, curvatures) for _, _, linear in rows]
        ),
        met_curvatures=met,
        met_weights=weights,
        met_iterations=iterations,
    )
