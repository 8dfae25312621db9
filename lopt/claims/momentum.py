"""Figure 2: where runs end, the modes there, and what the slow mode does to the update function."""

import numpy as np

from lopt.claims.evidence import TaskResults
from lopt.claims.modes import cancellation_ratio, stable_point_count, whole_modes
from lopt.claims.registry import AT_LEAST, AT_MOST, criterion, quantity
from lopt.claims.shapes import vertical_share
from lopt.records.analysis import Code

__all__: list[str] = []

SLOW = 0.5  # |lambda| below which a mode has lost 94 % of what it carried after four iterations


@quantity("leading_eigenvalue", "|eigenvalue| of the mode with the largest learning rate")
def _leading_eigenvalue(results: TaskResults, seed: int, at: float) -> float:
    modes = whole_modes(results.optimizers[seed].linearization)
    return np.nan if modes.leading is None else modes.momenta[modes.leading]


@quantity("leading_learning_rate", "learning rate of that mode (of both modes of a pair)")
def _leading_learning_rate(results: TaskResults, seed: int, at: float) -> float:
    modes = whole_modes(results.optimizers[seed].linearization)
    return np.nan if modes.leading is None else modes.learning_rates[modes.leading]


@quantity("next_eigenvalue", "largest |eigenvalue| of the other modes")
def _next_eigenvalue(results: TaskResults, seed: int, at: float) -> float:
    modes = whole_modes(results.optimizers[seed].linearization)
    if modes.leading is None:
        return np.nan
    return np.delete(modes.momenta, modes.leading).max(initial=-np.inf)


@quantity("slow_mode_intercept_lowest", "lowest update at g = 0 along the slow mode")
def _lowest_intercept(results: TaskResults, seed: int, at: float) -> float:
    return results.optimizers[seed].responses.slow_mode_intercepts.min()


@quantity("slow_mode_intercept_highest", "highest update at g = 0 along the slow mode")
def _highest_intercept(results: TaskResults, seed: int, at: float) -> float:
    return results.optimizers[seed].responses.slow_mode_intercepts.max()


@quantity("update_at_convergence_point", "update at the convergence point for g = 0 (drift)")
def _drift(results: TaskResults, seed: int, at: float) -> float:
    return float(results.optimizers[seed].fixed_points.convergence_update)


@quantity("stable_fixed_points", "distinct stable fixed points at g = 0")
def _stable_points(results: TaskResults, seed: int, at: float) -> float:
    return stable_point_count(results.optimizers[seed].fixed_points)


@quantity("basin_share", "share of final states that the autonomous map leads to that point")
def _basin_share(results: TaskResults, seed: int, at: float) -> float:
    found = results.optimizers[seed].fixed_points
    return float(found.basin_share) if found.convergence_code == Code.CONVERGED else 0.0


@quantity("cancellation_ratio", "sum of |learning rate| over modes over |their sum|")
def _cancellation(results: TaskResults, seed: int, at: float) -> float:
    return cancellation_ratio(results.optimizers[seed].linearization)


@criterion(
    "one_convergence_point",
    "every run ends at one convergence point",
    "the number of distinct stable fixed points (infinite where none was found)",
    AT_MOST,
    1.0,
)
def _one_convergence_point(results: TaskResults, seed: int) -> float:
    return stable_point_count(results.optimizers[seed].fixed_points) or np.inf


@criterion(
    "state_variance_peaks_early",
    "the variance of the states across runs peaks early",
    "the iteration of its peak over the number of updates",
    AT_MOST,
    0.25,
)
def _variance_peak(results: TaskResults, seed: int) -> float:
    variance = results.optimizers[seed].trajectories.total_variance
    return float(variance.argmax() / (len(variance) - 1)) if variance.max() > 0 else np.nan


@criterion(
    "state_variance_decays",
    "the variance of the states across runs decays",
    "the last variance over the largest",
    AT_MOST,
    0.1,
)
def _variance_left(results: TaskResults, seed: int) -> float:
    variance = results.optimizers[seed].trajectories.total_variance
    return float(variance[-1] / variance.max()) if variance.max() > 0 else np.nan


@criterion(
    "all_eigenvalues_inside_circle",
    "all eigenvalues at the convergence point lie inside the unit circle",
    "the largest |eigenvalue|",
    AT_MOST,
    1.0 + 1e-9,  # an eigenvalue of exactly 1 is computed with rounding errors
)
def _largest_eigenvalue(results: TaskResults, seed: int) -> float:
    return float(results.optimizers[seed].linearization.momenta.max())


@criterion(
    "slow_mode_carries_largest_learning_rate",
    "a slow mode carries the largest learning rate",
    f"the share of the others that decay faster than it (0 where its |eigenvalue| is below {SLOW:g})",
    AT_LEAST,
    0.9,
)
def _faster_modes(results: TaskResults, seed: int) -> float:
    # Not "is it the slowest of all": that would hang on modes that hardly act.
    modes = whole_modes(results.optimizers[seed].linearization)
    if modes.leading is None:
        return np.nan
    own, others = modes.momenta[modes.leading], np.delete(modes.momenta, modes.leading)
    if own < SLOW:
        return 0.0
    return float(np.mean(others < own)) if others.size else 1.0


@criterion(
    "next_mode_has_low_rate",
    "the slowest of the other modes has a low learning rate",
    "the size of its learning rate over the largest",
    AT_MOST,
    0.25,
)
def _rate_of_next_mode(results: TaskResults, seed: int) -> float:
    modes = whole_modes(results.optimizers[seed].linearization)
    if modes.leading is None or len(modes.momenta) < 2:
        return np.nan
    others = np.delete(modes.momenta, modes.leading)
    sizes = np.delete(modes.sizes, modes.leading)
    return float(sizes[others.argmax()] / modes.sizes[modes.leading])


@criterion(
    "slow_mode_shifts_update_function",
    "along the slow mode the update function is shifted vertically",
    "the share of the variation between positions that vertical shifts explain (0 where there is none)",
    AT_LEAST,
    0.9,
)
def _shift_along_slow_mode(results: TaskResults, seed: int) -> float:
    curves = results.optimizers[seed].responses.slow_mode_updates
    same = np.ptp(curves, axis=0).max() <= 1e-9 * np.abs(curves).max()
    return 0.0 if same else vertical_share(curves)
